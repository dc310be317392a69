"""What a run reports while it goes on. The terminal display, plain lines and `--output json` are subscribers.

The JSON form (docs/reference/events.md) is one object a line: `{"schema": "pykubeadm.events/v1", "type": …, …}`.
Events never carry secrets.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import asdict

from pykubeadm.util.dataclass import dataclass

SCHEMA = "pykubeadm.events/v1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Base: `time` is seconds since the epoch, `elapsed` seconds since the run began."""

    time: float = 0.0
    elapsed: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class RunStarted(Event):
    command: str
    node: str
    phases: tuple[str, ...]
    dry_run: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class PhaseStarted(Event):
    phase: str
    summary: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PhaseFinished(Event):
    """`outcome` is "changed", "unchanged" or "skipped" (not wanted here); `changes` are sentences; `seconds` its own time."""

    phase: str
    outcome: str
    changes: tuple[str, ...] = ()
    reason: str = ""
    seconds: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class PhaseFailed(Event):
    phase: str
    error: str
    exit_status: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Note(Event):
    """Something to know: `level` is "debug", "info" or "warning". `topic` names the phase or part it comes from."""

    level: str
    topic: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting(Event):
    """A wait goes on: for what, and the reason as far as it is known; sent at most once a second."""

    phase: str
    target: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFinished(Event):
    """`outcome` is "changed", "unchanged" (nothing had to be done), "failed" or "interrupted"."""

    outcome: str
    changed: int
    exit_status: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Result(Event):
    """What the user asked for: the join command, a path. `data` is a mapping of names to text, `text` the same in words."""

    name: str
    text: str
    data: dict[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeTask(Event):
    """A step of the node roles.

    `outcome` is "started" (then `node` is empty: it begins on all nodes), "ok", "changed", "skipped",
    "failed", "unreachable" or "ignored"; `changes` are what it changed, `diff` before and after where that was asked for."""

    phase: str
    node: str
    role: str
    task: str
    outcome: str
    changes: tuple[str, ...] = ()
    diff: str = ""
    seconds: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeProgress(Event):
    """What happens on one of several nodes. `step` is the action and, where it has phases, the phase: "prepare", "init/certs/ca".

    `outcome` is "planned", "started", "waiting", "changed", "unchanged", "skipped" or "failed"; `message` says in a sentence what
    goes on, is waited for, or went wrong; `changes` are sentences, of a plan the reasons."""

    node: str
    step: str
    outcome: str
    message: str = ""
    changes: tuple[str, ...] = ()
    seconds: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned(Event):
    """Dry run: what a phase would change, as text with secrets masked."""

    phase: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure(Event):
    """The command ends without success, and why; `problems` are the single sentences where there are several."""

    error: str
    problems: tuple[str, ...]
    exit_status: int


Subscriber = Callable[[Event], None]


def event_type(event: Event) -> str:
    """The `type` of the JSON form: "phase-started" for PhaseStarted."""
    return re.sub(r"(?<!^)(?=[A-Z])", "-", type(event).__name__).lower()


def to_json(event: Event) -> str:
    """One line of `--output json`."""
    fields = {name: round(value, 3) if isinstance(value, float) else value for name, value in asdict(event).items()}
    return json.dumps({"schema": SCHEMA, "type": event_type(event)} | fields, separators=(",", ":"))
