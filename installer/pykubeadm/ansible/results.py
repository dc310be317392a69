"""What the callback plugin pykubeadm.kube.events writes, one JSON object a line, as values."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import field
from typing import Any

from pykubeadm.util.dataclass import dataclass

_WARNING = "Warning: "


@dataclass(frozen=True, slots=True)
class TaskStarted:
    """A task begins on all nodes of the run. `role` is "pykubeadm.kube.containerd", "" outside roles."""

    role: str
    task: str


@dataclass(frozen=True, slots=True)
class TaskEnded:
    """A task ended on one node. `outcome`: "ok", "changed", "skipped", "failed", "unreachable" or "ignored"; `output` is what the
    command that it ran wrote."""

    host: str
    role: str
    task: str
    outcome: str
    message: str = ""
    changes: tuple[str, ...] = ()
    diff: str = ""
    warnings: tuple[str, ...] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)
    output: str = ""
    seconds: float = 0.0

    @property
    def failed(self) -> bool:
        return self.outcome in ("failed", "unreachable")

    @property
    def role_name(self) -> str:
        return self.role.rpartition(".")[2]

    @property
    def said(self) -> tuple[str, ...]:
        """What it warns of: by the module's own means, or as a role does it, by a message."""
        by_role = self.outcome == "ok" and self.message.startswith(_WARNING)
        return (*self.warnings, *((self.message.removeprefix(_WARNING),) if by_role else ()))


@dataclass(frozen=True, slots=True)
class HostSummary:
    """The sums of one node; `calls` are the module calls that reached it."""

    ok: int
    changed: int
    failed: int
    unreachable: int
    calls: int


@dataclass(frozen=True, slots=True)
class Summary:
    hosts: Mapping[str, HostSummary]


# ansible-core's own words when a role's variables do not match meta/argument_specs.yml.
_ARGUMENTS = "Validating arguments against arg spec"
_REFUSED = "Validation of arguments failed: "

PlaybookEvent = TaskStarted | TaskEnded | Summary


def parse(line: str) -> PlaybookEvent | None:
    """One line; None for what is of no interest. ValueError where it is no JSON object."""
    data = json.loads(line)
    match data["event"]:
        case "task":
            return TaskStarted(data["role"], data["task"])
        case "result":
            fields = {item.name: data[item.name] for item in dataclasses.fields(TaskEnded)}
            return TaskEnded(**fields | {"changes": tuple(data["changes"]), "warnings": tuple(data["warnings"])})
        case "stats":
            return Summary({host: HostSummary(**sums) for host, sums in data["hosts"].items()})
        case _:
            return None


def failure_sentence(ended: TaskEnded) -> str:
    """A failed task for the user: node, role, what it tried, what was said, and what to do where that was not said."""
    if ended.outcome == "unreachable":
        return f"{ended.host} cannot be reached: {_one_line(ended.message)}; check its address, user and key in the inventory"
    if ended.task.startswith(_ARGUMENTS):
        return f"{ended.host}: role {ended.role_name}: wrong variables: {_one_line(ended.message).removeprefix(_REFUSED)}"
    tried = ended.task[:1].lower() + ended.task[1:]
    where = f"{ended.host}: role {ended.role_name}" if ended.role else ended.host
    return f"{where}: cannot {tried}: {_one_line(ended.message) or 'no reason was given; journalctl on the node may know'}"


def _one_line(text: str) -> str:
    # ansible-core 2.19 puts this before a module's own message.
    return " ".join(text.removeprefix("Task failed: ").split())
