"""Waits of phases: reported as events, and explained when they run out or cannot succeed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING

from pykubeadm.errors import PhaseError
from pykubeadm.kube.waits import Probe, WaitError, wait_for
from pykubeadm.node.port import HealthEndpoint, Node
from pykubeadm.phases.run import ClusterRun
from pykubeadm.workflow.events import Waiting

if TYPE_CHECKING:
    from pykubeadm.node.diagnose import Diagnosis

_PATIENCE = 1.0  # seconds for which a node watches its endpoints before it says how they are


def probe(node: Node, endpoint: HealthEndpoint) -> Probe:
    """One look at an endpoint."""
    return lambda: node.unhealthy([endpoint])[0] or None


class _Watched:
    """Endpoints that the node watches together, until all are healthy or for a while; each answer is good for one look."""

    def __init__(self, node: Node, endpoints: Mapping[str, HealthEndpoint], patience: float) -> None:
        self._node, self._patience = node, patience
        self._left = dict(endpoints)
        self._answers: dict[str, str] = {}

    def reason(self, target: str) -> str | None:
        if target not in self._answers:
            reasons = self._node.unhealthy(list(self._left.values()), self._patience)
            self._answers = dict(zip(self._left, reasons, strict=True))
        if reason := self._answers.pop(target):
            return reason
        del self._left[target]
        return None


def wait(
    run: ClusterRun,
    phase: str,
    targets: Mapping[str, Probe | HealthEndpoint],
    timeout: timedelta,
    *,
    components: Sequence[str] = (),
    former: Mapping[str, str] = MappingProxyType({}),
    patient: bool = False,
) -> None:
    """Wait for `targets`, of which the node watches endpoints itself; PhaseError says why they were not reached. `components` are
    the containers they depend on, `former` the UIDs of their pods that were replaced, which explain nothing. Targets that are
    `patient` wait themselves for a while before they say no."""
    seen: list[Diagnosis] = []
    left = dict.fromkeys(targets)  # in their order
    endpoints = {target: wanted for target, wanted in targets.items() if isinstance(wanted, HealthEndpoint)}
    watched_alone = len(endpoints) == len(targets)  # else the others would be looked at too seldom
    watching = _Watched(run.node, endpoints, min(_PATIENCE, timeout.total_seconds()) if watched_alone else 0.0)

    def watched(target: str, wanted: Probe | HealthEndpoint) -> str | None:
        reason = watching.reason(target) if isinstance(wanted, HealthEndpoint) else wanted()
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
            {target: partial(watched, target, wanted) for target, wanted in targets.items()},
            timeout,
            report=report,
            hopeless=hopeless,
            patient=patient or watched_alone,
        )
    except WaitError as error:
        raise PhaseError(f"{error}\n{look().render()}") from error
