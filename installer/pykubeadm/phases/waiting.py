"""Waits of phases: reported as events, and explained when they run out or cannot succeed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING

from pykubeadm.errors import PhaseError
from pykubeadm.kube.waits import Probe, WaitError, wait_for
from pykubeadm.phases.run import ClusterRun
from pykubeadm.workflow.events import Waiting

if TYPE_CHECKING:
    from pykubeadm.node.diagnose import Diagnosis


def wait(
    run: ClusterRun,
    phase: str,
    targets: Mapping[str, Probe],
    timeout: timedelta,
    *,
    components: Sequence[str] = (),
    former: Mapping[str, str] = MappingProxyType({}),
) -> None:
    """Wait for `targets`; PhaseError says why they were not reached. `components` are the containers they depend on, `former` the
    UIDs of their pods that were replaced, which explain nothing."""
    seen: list[Diagnosis] = []
    left = dict.fromkeys(targets)  # in their order

    def watched(target: str, probe: Probe) -> str | None:
        reason = probe()
        if reason is None:
            left.pop(target, None)
        return reason

    def look() -> Diagnosis:
        from pykubeadm.node.diagnose import diagnose

        began = run.kubelet_started or min(run.replaced.values(), default=None)
        started = began.timestamp() if began else None
        socket = run.configuration.this_node.node_registration.cri_socket
        replaced = {name: when.timestamp() for name, when in run.replaced.items()}
        unhealthy = tuple(left)
        seen[:] = [
            diagnose(
                run.node, socket, since=started, unhealthy=unhealthy, components=components, replaced=replaced, former=former
            )
        ]
        return seen[0]

    def report(target: str, reason: str) -> None:
        known = seen[0].causes[0].sentence if seen and seen[0].causes else ""
        run.emit(Waiting(phase=phase, target=target, reason=f"{reason}; {known}" if known else reason))

    def hopeless() -> str | None:
        cause = look().lasting
        return str(cause) if cause else None

    try:
        wait_for(
            {target: partial(watched, target, probe) for target, probe in targets.items()},
            timeout,
            report=report,
            hopeless=hopeless,
        )
    except WaitError as error:
        raise PhaseError(f"{error}\n{look().render()}") from error
