"""Whether the cluster is as it should be, when all has been done."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import TYPE_CHECKING

from pykubeadm.errors import PykubeadmError
from pykubeadm.fleet.cluster import api_of, node_object
from pykubeadm.fleet.found import Found
from pykubeadm.fleet.machines import Machines
from pykubeadm.fleet.options import Options
from pykubeadm.workflow.events import NodeProgress, Subscriber

if TYPE_CHECKING:
    from pykubeadm.fleet.apply import Outcome
    from pykubeadm.kube.port import Api

READY_WITHIN = 300.0  # seconds


def wait_ready(found: Found, machines: Machines, outcomes: Mapping[str, Outcome], options: Options, emit: Subscriber) -> str:
    """Wait until each host that joined or began in this run is a Ready Node; where no pod network is ours to apply, until it is
    one at all. Returns which are not, and why; "" where all are."""
    from pykubeadm.kube.waits import WaitError, wait_for

    joined = [action.host for action in found.plan.of("init", "join")]
    wanted = {name for name in joined if name in outcomes and outcomes[name].error is None}
    cluster = found.facts.cluster
    seed = cluster.seed if cluster else next((action.host for action in found.plan.of("init")), "")
    if not wanted or (not cluster and seed not in wanted):
        return ""
    networked = found.described.cluster.network.plugin != "none"

    apis: list[Api] = []  # once there is one

    def look() -> str | None:
        try:
            if not apis:
                apis.append(api_of(machines.node(found.host(seed))))
            nodes = {node["metadata"]["name"]: node_object(node) for node in apis[0].list("v1", "Node")}
        except PykubeadmError as error:
            return str(error)
        missing = sorted(wanted - set(nodes))
        if missing:
            return f"there is no Node {', '.join(missing)}"
        unready = {name: nodes[name].reason for name in sorted(wanted) if not nodes[name].ready} if networked else {}
        return "; ".join(f"{name} is not ready: {reason}" for name, reason in unready.items()) or None

    def report(_target: str, reason: str) -> None:
        emit(NodeProgress(node=seed, step="ready", outcome="waiting", message=reason))

    seconds = READY_WITHIN if options.left is None else min(READY_WITHIN, options.left)
    try:
        wait_for({"all nodes": look}, timedelta(seconds=seconds), report=report)
    except WaitError as error:
        return str(error)
    return ""
