"""`init`, and single phases of it, from options to the end of the run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pykubeadm.config.source import Source
from pykubeadm.node.port import Node
from pykubeadm.phases.certs.keys import begin_keys, order_keys
from pykubeadm.workflow.events import Subscriber
from pykubeadm.workflow.phase import Choose

NAME = "init"


def init(
    options: Mapping[str, Any],
    emit: Subscriber,
    *,
    choose: Choose,
    machine: Node,
    source: Source | None = None,
    name: str = NAME,
) -> None:
    """Run the steps that `choose` picks on `machine`. `options` are kubeadm's flags with underscores; `source` is what
    --config names; `name` is what the run is called."""
    begun = begin_keys(machine, [step.path for step in choose(())], source.content if source else b"")

    # Imported while the keys are made.
    from pykubeadm.commands.execute import execute
    from pykubeadm.commands.init.begin import begin

    run = begin(machine, options, emit, source=source)
    run.begun_keys = begun
    steps = choose(run.init.skip_phases)
    order_keys(run, [step.path for step in steps])
    execute(name, steps, run, node_name=run.node_name)
