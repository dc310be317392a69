"""Waits for what others do: controller managers, API servers, other nodes. What is on this node explains nothing then."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import TYPE_CHECKING

from pykubeadm.kube.waits import wait_for
from pykubeadm.workflow.events import Waiting

if TYPE_CHECKING:
    from pykubeadm.commands.certs.rotation.run import RotationRun
    from pykubeadm.kube.waits import Probe


def wait_for_others(run: RotationRun, phase: str, targets: Mapping[str, Probe], timeout: timedelta) -> None:
    """PhaseError with the reason where one does not come in time."""

    def report(target: str, reason: str) -> None:
        run.emit(Waiting(phase=phase, target=target, reason=reason))

    wait_for(targets, timeout, report=report)
