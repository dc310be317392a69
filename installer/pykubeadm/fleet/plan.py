"""What a plan is: what has to be done so that a fleet is as its file says. `fleet.planning` makes it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import field, replace
from typing import Any, Literal

from pykubeadm.fleet.drift import RECONFIGURE, UPGRADE, Drift
from pykubeadm.util.dataclass import dataclass

Kind = Literal["prepare", "etcd", "init", "join", "remove", "forget", "label", "network"]
# In the order in which they are begun; what stands in one line is done side by side.
STAGES: tuple[tuple[Kind, ...], ...] = (
    ("prepare",),
    ("etcd",),
    ("init",),
    ("remove", "forget"),
    ("join",),
    ("label",),
    ("network",),
)


@dataclass(frozen=True, slots=True)
class Action:
    """Something to do for one host, and why. `part` is what a joining host becomes and a leaving one was, "" for one that only
    etcd knows; `tags` are the node roles of a preparation; `labels` and `taints` are those to set."""

    kind: Kind
    host: str
    summary: str
    reasons: tuple[str, ...] = ()
    part: str = ""
    tags: tuple[str, ...] = ()
    labels: Mapping[str, str | None] = field(default_factory=dict)
    taints: tuple[Mapping[str, Any], ...] | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """`problems` are what stands in the way, by host ("" for the whole cluster), `notes` what is not as the file says and is
    left alone, `remarks` what of that may be as the administrator wants it, `drift` what another command brings there."""

    actions: tuple[Action, ...] = ()
    problems: tuple[tuple[str, str], ...] = ()
    notes: tuple[tuple[str, str], ...] = ()
    remarks: tuple[tuple[str, str], ...] = ()
    drift: tuple[Drift, ...] = ()

    @property
    def empty(self) -> bool:
        return not self.actions

    @property
    def commands(self) -> tuple[str, ...]:
        """Those that have to do with drift, in the order in which they can be run."""
        return tuple(command for command in (UPGRADE, RECONFIGURE) if any(each.command == command for each in self.drift))

    def of(self, *kinds: Kind) -> tuple[Action, ...]:
        return tuple(action for action in self.actions if action.kind in kinds)

    def until(self, kind: str) -> Plan:
        """Without what is begun after the actions of this kind."""
        last = next(number for number, kinds in enumerate(STAGES) if kind in kinds)
        kept = {each for kinds in STAGES[: last + 1] for each in kinds}
        return replace(self, actions=tuple(action for action in self.actions if action.kind in kept))

    def for_host(self, name: str) -> tuple[Action, ...]:
        return tuple(action for action in self.actions if action.host == name)


def lines(plan: Plan) -> Iterator[str]:
    """The plan for people: a line for each action, each with why."""
    for action in plan.actions:
        why = f" ({'; '.join(action.reasons)})" if action.reasons else ""
        yield f"{action.host}: {action.summary}{why}"
