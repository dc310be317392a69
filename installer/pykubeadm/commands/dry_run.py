"""What `--dry-run` shows: phase by phase, what would be written and run."""

from __future__ import annotations

import os
from dataclasses import replace

from pykubeadm.node.port import Node
from pykubeadm.node.recording import RecordingNode, render, save
from pykubeadm.util.dataclass import dataclass
from pykubeadm.workflow.events import Event, Note, PhaseFinished, PhaseStarted, Planned, RunFinished, Subscriber


def rehearsal(machine: Node, emit: Subscriber, command: str) -> tuple[RecordingNode, Subscriber]:
    """The node and the subscriber for a dry run of `command`: one keeps what would have been changed, the other reports it."""
    node = RecordingNode(machine)
    return node, _DryRun(node, emit, command.upper())


@dataclass(slots=True)
class _DryRun:
    """Reports what each phase would have changed once it is done, and keeps the files at the end where an environment
    variable names a directory for those of `command`; kubeadm's own name for it works, too."""

    node: RecordingNode
    emit: Subscriber
    command: str
    reported: int = 0

    def __call__(self, event: Event) -> None:
        if isinstance(event, PhaseStarted):
            self.node.phase = event.phase
        if isinstance(event, Planned) and not event.phase:
            event = replace(event, phase=self.node.phase)  # of the cluster's API, which knows no phase
        self.emit(event)
        if isinstance(event, PhaseFinished) and len(self.node.entries) > self.reported:
            entries = self.node.entries[self.reported :]
            self.reported = len(self.node.entries)
            self.emit(Planned(phase=event.phase, text=render(entries).rstrip()))
        if isinstance(event, RunFinished) and event.exit_status == 0:
            self._keep()

    def _keep(self) -> None:
        names = (f"{tool}_{self.command}_DRYRUN_DIR" for tool in ("PYKUBEADM", "KUBEADM"))
        wanted = next((os.environ[name] for name in names if os.environ.get(name)), "")
        if not wanted:
            return
        save(self.node.entries, wanted)
        self.emit(Note(level="info", topic="dry-run", message=f"the files that would have been written are below {wanted}"))
