"""Runs the steps of any command: alone on the node, with the journal kept, and with an event for every way a run can end."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from typing import TypeVar

from pykubeadm.node.journal import PATH as JOURNAL
from pykubeadm.phases.run import Run
from pykubeadm.workflow.phase import Step
from pykubeadm.workflow.runner import run_steps

R = TypeVar("R", bound=Run)


def execute(command: str, steps: Sequence[Step[R]], run: R, *, node_name: str) -> bool:
    """Whether anything changed. Raises LockedError where another run is at work on the node, and what the steps raise.

    `command` names the run in events, in the journal and to others that wait for the lock ("init phase certs ca").
    """
    alone = nullcontext() if run.changes_nothing else run.node.exclusive(f"pykubeadm {command}")
    with alone:
        if kept := run.journal.kept_as:
            run.note("warning", f"{JOURNAL} cannot be read and is kept as {kept}; what is ours is determined from the files")
        return run_steps(command, node_name, steps, run, dry_run=run.dry_run, recorder=run.journal, emit=run.emit)
