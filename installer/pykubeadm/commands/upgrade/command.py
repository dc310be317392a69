"""`upgrade apply` and `upgrade node`, and single phases of them, from options to the end of the run."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final, Literal, TypeVar

from pykubeadm.commands.execute import execute
from pykubeadm.commands.upgrade.begin import begin
from pykubeadm.commands.upgrade.kubelet import NAME as KUBELET
from pykubeadm.commands.upgrade.phases import APPLY, NODE
from pykubeadm.commands.upgrade.run import UpgradeRun
from pykubeadm.config.source import Source
from pykubeadm.errors import PykubeadmError, UsageError, with_state
from pykubeadm.node.port import Node
from pykubeadm.phases.replacing.control_plane import control_plane
from pykubeadm.workflow.events import Subscriber
from pykubeadm.workflow.phase import Choose, Step

T = TypeVar("T")

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
    execute(name, tuple(_stating(steps)), run, node_name=run.node_name)
    if name == "upgrade apply" and not run.dry_run:
        run.result("upgrade", _DONE.format(version=run.target), version=run.target)


def _stating(steps: Sequence[Step[UpgradeRun]]) -> Iterator[Step[UpgradeRun]]:
    """The steps, of which those that come after the static pods say that these stay as they are; the kubelet's have a state of
    their own."""
    is_after = False
    for step in steps:
        phase = step.phase
        if is_after and not step.path.startswith(f"{KUBELET}/"):
            phase = replace(phase, check=_stated(phase.check), apply=_stated(phase.apply), verify=_stated(phase.verify))
        yield Step(step.path, phase)
        is_after = is_after or phase is control_plane


def _stated(part: Callable[[UpgradeRun], T] | None) -> Callable[[UpgradeRun], T] | None:
    if part is None:
        return None

    def stated(run: UpgradeRun) -> T:
        try:
            return part(run)
        except PykubeadmError as error:
            if not run.is_control_plane or run.dry_run:
                raise
            state = f"this control plane runs {run.target} by now, and stays so: once that is fixed, run the same command again"
            raise with_state(error, state) from error

    return stated
