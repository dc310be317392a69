"""`reconfigure`, and single phases of it, from options to the end of the run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from pykubeadm.commands.execute import execute
from pykubeadm.commands.reconfigure.begin import begin
from pykubeadm.constants import LABEL_CONTROL_PLANE
from pykubeadm.errors import ApiError

if TYPE_CHECKING:
    from pykubeadm.commands.reconfigure.run import ReconfigureRun
    from pykubeadm.config.source import Source
    from pykubeadm.node.port import Node
    from pykubeadm.workflow.events import Subscriber
    from pykubeadm.workflow.phase import Choose

_NAME: Final = "reconfigure"


def reconfigure(
    options: Mapping[str, Any], emit: Subscriber, *, choose: Choose, name: str, machine: Node, source: Source | None = None
) -> None:
    """Run the steps that `choose` picks on `machine`; in a dry run show what they would change. `options` are flags with
    underscores; `source` is what --config names; `name` is what the run is called."""
    run = begin(options, emit, machine=machine, source=source)
    steps = choose(tuple(options.get("skip_phases") or ()))
    if options.get("dry_run"):
        from pykubeadm.commands.reconfigure.showing import show

        show(run, steps)
        return
    if execute(name, steps, run, node_name=run.node_name) and name == _NAME:
        run.result(_NAME, _next(run) if run.for_cluster else "This node now is what the cluster's configuration says.")


def _next(run: ReconfigureRun) -> str:
    """Which nodes are still as they were."""
    from pykubeadm.phases.cluster.connection import cluster_api

    done = "The cluster's configuration, and this node, are what the file says."
    try:
        found = cluster_api(run).list("v1", "Node")
    except ApiError:  # what was to be done is done
        return f"{done}\n\nRun `pykubeadm reconfigure` on the other nodes next, one after the other."
    nodes = [node["metadata"] for node in found if node["metadata"]["name"] != run.node_name]
    others = sorted(nodes, key=lambda node: (LABEL_CONTROL_PLANE not in (node.get("labels") or {}), node["name"]))
    if not others:
        return done
    names = ", ".join(node["name"] for node in others)
    return f"{done}\n\nRun `pykubeadm reconfigure` on the other nodes next, one after the other: {names}."
