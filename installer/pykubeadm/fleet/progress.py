"""The events of a command that runs on one host, as those of that host."""

from __future__ import annotations

from pykubeadm.util.dataclass import dataclass
from pykubeadm.workflow.events import (
    Event,
    NodeProgress,
    Note,
    PhaseFailed,
    PhaseFinished,
    PhaseStarted,
    Result,
    RunFinished,
    Subscriber,
    Waiting,
)


@dataclass(slots=True)
class HostEvents:
    """Takes the events of `action` on `host`; what it asked to be shown to a user of that machine alone is left out. `changes`
    counts what it changed."""

    host: str
    action: str
    emit: Subscriber
    changes: int = 0

    def __call__(self, event: Event) -> None:
        match event:
            case PhaseStarted():
                self._report(event.phase, "started", event.summary)
            case PhaseFinished():
                self._report(event.phase, event.outcome, event.reason, event.changes, event.seconds)
            case PhaseFailed():
                self._report(event.phase, "failed", event.error)
            case Waiting():
                self._report(event.phase, "waiting", f"{event.target}: {event.reason}")
            case RunFinished():
                self.changes += event.changed
            case Note():
                self.emit(Note(level=event.level, topic=self.host, message=event.message))

    def _report(self, phase: str, outcome: str, message: str, changes: tuple[str, ...] = (), seconds: float = 0.0) -> None:
        step = f"{self.action}/{phase}" if phase else self.action
        self.emit(NodeProgress(node=self.host, step=step, outcome=outcome, message=message, changes=changes, seconds=seconds))


def of_host(host: str, action: str, emit: Subscriber) -> HostEvents:
    return HostEvents(host, action, emit)


def keeping_results(events: HostEvents, results: list[Result]) -> Subscriber:
    """`events`, with what the command says for a user of that machine kept in `results`."""

    def take(event: Event) -> None:
        if isinstance(event, Result):
            results.append(event)
        events(event)

    return take


def number_of_hosts(number: int) -> str:
    return f"{number} host{'' if number == 1 else 's'}"
