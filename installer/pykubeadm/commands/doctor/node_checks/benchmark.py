"""The CIS benchmark's controls for files and flags: which do not hold, and why."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from pykubeadm.commands.doctor.benchmark import CONTROLS
from pykubeadm.commands.doctor.check import Check, Remark, note, warning
from pykubeadm.commands.doctor.here import Here


def _controls(here: Here) -> Iterable[Remark]:
    for control in CONTROLS:
        if control.judge(here) is False:
            said = f"{control.number} does not hold: {control.asks}"
            yield note(f"{said} ({control.why})", control.remedy) if control.why else warning(said, control.remedy)


CHECKS: Final = (Check("node/cis-benchmark", "auditors ask for it (CIS Kubernetes Benchmark 1.11)", _controls),)
