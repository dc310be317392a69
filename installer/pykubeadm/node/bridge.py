"""The bridge network that our role cni writes on a node: its configuration, and the routes to the pods of the other nodes."""

from __future__ import annotations

import json
from typing import Final

from pykubeadm.node.port import Node

ROUTES: Final = "/etc/pykubeadm/routes"  # commands for ip(8), run by ROUTES_UNIT
ROUTES_UNIT: Final = "pykubeadm-routes.service"
BRIDGE_CONFIGURATION: Final = "/etc/cni/net.d/10-bridge.conflist"


def written_routes(node: Node) -> list[tuple[str, str]]:
    """Each route of the file, "route replace CIDR via ADDRESS", as (CIDR, ADDRESS)."""
    lines = (node.read(ROUTES) or b"").decode(errors="replace").splitlines()
    words = [line.split() for line in lines if line.startswith("route replace ")]
    return [(each[2], each[4]) for each in words if len(each) == 5]


def written_subnets(node: Node) -> list[str]:
    """Those that pods get their addresses from; none where the configuration cannot be read."""
    try:
        ranges = json.loads(node.read(BRIDGE_CONFIGURATION) or b"{}")["plugins"][0]["ipam"]["ranges"]
        return [str(each["subnet"]) for alternatives in ranges for each in alternatives]
    except (ValueError, LookupError, TypeError):
        return []
