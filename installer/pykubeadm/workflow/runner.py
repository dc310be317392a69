"""Runs steps one after the other: check, apply, verify. Every step and every end is an event and is recorded, a bug's too."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Protocol, TypeVar

from pykubeadm.errors import BUG, INTERRUPTED, PykubeadmError, UnfinishedError
from pykubeadm.workflow.events import (
    Event,
    Note,
    PhaseFailed,
    PhaseFinished,
    PhaseStarted,
    RunFinished,
    RunStarted,
)
from pykubeadm.workflow.phase import Step

R = TypeVar("R")


class Recorder(Protocol):
    """Keeps what was run (`node.journal.Journal`). Times are ISO 8601 in UTC."""

    def begin(self, command: str, started: str) -> None: ...

    def phase(self, path: str) -> None: ...

    def finish(self, outcome: str, finished: str) -> None: ...


def run_steps(
    command: str, node: str, steps: Sequence[Step[R]], run: R, *, dry_run: bool, recorder: Recorder, emit: Callable[[Event], None]
) -> bool:
    """Run `steps` to the end; True where anything changed. An error ends the run, is reported as an event and raised again;
    an UnfinishedError ends it only after the steps that follow."""
    emit(RunStarted(command=command, node=node, phases=tuple(step.path for step in steps), dry_run=dry_run))
    recorder.begin(command, _timestamp())
    changed = 0
    unfinished: list[UnfinishedError] = []

    def finish(outcome: str, exit_status: int) -> None:
        """How the run ended counts and is reported, also where it cannot be recorded, such as on a full disk."""
        try:
            recorder.finish(outcome, _timestamp())
        except PykubeadmError as error:
            emit(Note(level="warning", topic="", message=f"how this run ended could not be recorded: {error}"))
        emit(RunFinished(outcome=outcome, changed=changed, exit_status=exit_status))

    try:
        for step in steps:
            recorder.phase(step.path)
            try:
                changed += _run_step(step, run, dry_run=dry_run, emit=emit)
            except UnfinishedError as error:
                unfinished.append(error)
                changed += len(error.changes)
        _raise_together(unfinished)
    except PykubeadmError as error:
        finish("failed", error.exit_status)
        raise
    except KeyboardInterrupt:
        finish("interrupted", INTERRUPTED)
        raise
    except Exception:
        finish("failed", BUG)
        raise
    finish("changed" if changed else "unchanged", 0)
    return bool(changed)


def _raise_together(errors: Sequence[UnfinishedError]) -> None:
    """One error with every sentence, of the first one's kind; none where there are no errors."""
    if errors:
        raise type(errors[0])("\n".join(str(error) for error in errors))


def _run_step(step: Step[R], run: R, *, dry_run: bool, emit: Callable[[Event], None]) -> int:
    phase, began = step.phase, time.monotonic()

    def finished(outcome: str, changes: Sequence[str] = (), reason: str = "") -> int:
        seconds = time.monotonic() - began
        emit(PhaseFinished(phase=step.path, outcome=outcome, changes=tuple(changes), reason=reason, seconds=seconds))
        return len(changes)

    if not phase.when(run):
        return finished("skipped")
    emit(PhaseStarted(phase=step.path, summary=phase.summary))
    try:
        if phase.check is not None and (reason := phase.check(run)) is not None:
            return finished("unchanged", reason=reason)
        if dry_run and phase.apply is None:
            return finished("unchanged", reason="not waited for in a dry run")
        changes = tuple(phase.apply(run)) if phase.apply is not None else ()
        if phase.verify is not None and not dry_run:
            phase.verify(run)
    except PykubeadmError as error:
        emit(PhaseFailed(phase=step.path, error=str(error), exit_status=error.exit_status))
        raise
    except Exception as error:
        emit(PhaseFailed(phase=step.path, error=f"{type(error).__name__}: {error}", exit_status=BUG))
        raise
    return finished("changed", changes) if changes else finished("unchanged", reason=phase.unchanged)


def _timestamp() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
