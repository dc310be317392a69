"""`upgrade apply` and `upgrade node`, and single phases of them, from options to the end of the run."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, Literal

from pykubeadm.commands.execute import execute
from pykubeadm.commands.upgrade.begin import begin
from pykubeadm.commands.upgrade.kubelet import NAME as KUBELET
from pykubeadm.commands.upgrade.phases import APPLY, NODE
from pykubeadm.config.source import Source
from pykubeadm.errors import UsageError
from pykubeadm.node.port import Node
from pykubeadm.workflow.events import Subscriber
from pykubeadm.workflow.phase import Choose

_PHASES: Final = {"apply": APPLY, "node": NODE}
_DONE: Final = """\
SUCCESS! A control plane node of your cluster was upgraded to "{version}".

Upgrade the other control planes next (`pykubeadm upgrade node` there), then the workers, one after the other."""


def upgrade(
    part: Literal["apply", "node"],
    options: Mapping[str, Any],
    emit: Subscriber,
    *,
    choose: Choose,
    name: str,
    machine: Node,
    source: Source | None = None,
    confirm: Callable[[], bool] = lambda: False,
) -> None:
    """Run the steps of `upgrade PART` that `choose` picks on `machine`. `options` are kubeadm's flags with underscores, and
    `kubernetes_version`; `source` is what --config names; `confirm` asks the user whether to continue; `name` is what the run is
    called."""
    whole = name == f"upgrade {part}"
    if whole and not options.get("kubelet") and (options.get("drain_timeout") or options.get("delete_emptydir_data")):
        raise UsageError("--drain-timeout and --delete-emptydir-data are for draining the node, which goes with --kubelet")
    run = begin(part, options, emit, machine=machine, source=source, phases=_PHASES[part], confirm=confirm)
    skipped = getattr(run.upgrade, part).skip_phases
    steps = choose(skipped if options.get("kubelet") else (*skipped, KUBELET))
    execute(name, steps, run, node_name=run.node_name)
    if name == "upgrade apply" and not run.dry_run:
        run.result("upgrade", _DONE.format(version=run.target), version=run.target)
