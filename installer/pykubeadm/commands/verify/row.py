"""A row of what `verify` shows, and what came of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Literal

from pykubeadm.errors import PykubeadmError
from pykubeadm.util.dataclass import dataclass

if TYPE_CHECKING:
    from pykubeadm.commands.verify.trial import Trial

Outcome = Literal["passed", "failed", "not served"]


class NotShownError(PykubeadmError):
    """The cluster did something else than it should: the reason, a sentence."""


class NotServedError(PykubeadmError):
    """The cluster does not have what the row would show, which is no fault; why, a sentence."""


@dataclass(frozen=True, slots=True)
class Row:
    """One thing that a cluster can do. `name` is "group/name"; `shows` says what is shown where it passes; `run` shows it, and
    returns what was seen. `needs_shell`: it needs an image with one. `slow`: its steps wait for each other, so it begins first.
    `alone`: it disturbs the others, so it comes after them."""

    name: str
    shows: str
    run: Callable[[Trial], str]
    needs_shell: bool = False
    slow: bool = False
    alone: bool = False

    @property
    def group(self) -> str:
        return self.name.partition("/")[0]


@dataclass(frozen=True, slots=True)
class RowResult:
    """What came of a row: `said` is what was seen, or the reason why not; `evidence` has lines of what may explain a failure."""

    row: Row
    outcome: Outcome
    seconds: float
    said: str
    evidence: tuple[str, ...] = ()
