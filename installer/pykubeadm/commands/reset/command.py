"""`reset`, and single phases of it, from options to the end of the run."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from pykubeadm.commands.execute import execute
from pykubeadm.commands.reset.begin import begin
from pykubeadm.config.source import Source
from pykubeadm.node.port import Node
from pykubeadm.workflow.events import Subscriber
from pykubeadm.workflow.phase import Choose

NAME = "reset"

_DONE = """\
This node is out of its cluster. Its Node object stays there until `kubectl delete node {name}` is run on a control plane."""
_ENDED = "This node is out of its cluster, which has ended with it: run `pykubeadm reset` on what is left of its nodes, too."


def reset(
    options: Mapping[str, Any],
    emit: Subscriber,
    *,
    confirm: Callable[[], bool],
    choose: Choose,
    machine: Node,
    source: Source | None = None,
    name: str = NAME,
) -> None:
    """Run the steps that `choose` picks on `machine`. `options` are kubeadm's flags with underscores; `source` is what
    --config names; `confirm` asks the user whether to continue; `name` is what the run is called."""
    run = begin(machine, options, emit, confirm, source=source)
    changed = execute(name, choose(run.reset.skip_phases), run, node_name=run.host.hostname)
    if name == NAME and changed and not run.dry_run:
        node = run.found.node_name or run.host.hostname.strip().lower()
        run.result("reset", _ENDED if run.ends_cluster else _DONE.format(name=node), node=node)
