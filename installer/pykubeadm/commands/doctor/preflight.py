"""Checks of `init` and `join` that are worth making on a node that runs, as remarks."""

from __future__ import annotations

from collections.abc import Iterable

from pykubeadm.commands.doctor.check import Level, Remark
from pykubeadm.commands.doctor.here import Here
from pykubeadm.phases.preflight.check import Check


def remarks_of(check: Check, here: Here) -> Iterable[Remark]:
    """What a preflight check finds; its sentences end with what to do, after a semicolon."""
    findings = check.look(here.machine)
    yield from (_remark("problem", sentence) for sentence in findings.errors)
    yield from (_remark("warning", sentence) for sentence in findings.warnings)


def _remark(level: Level, sentence: str) -> Remark:
    found, _, run = sentence.partition("; ")
    return Remark(level, found, run)
