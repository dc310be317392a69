"""`upgrade plan`: which versions the cluster can be upgraded to, and what would be in the way."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pykubeadm.commands.upgrade.begin import begin
from pykubeadm.workflow.events import Subscriber


def plan(options: Mapping[str, Any], emit: Subscriber, *, rootfs: str = "/") -> None:
    """By kubeadm's flags, with underscores, and `kubernetes_version`."""
    begin("plan", options, emit, rootfs=rootfs)
