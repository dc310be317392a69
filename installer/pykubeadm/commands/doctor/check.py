"""A check of `doctor`, and what it finds."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Final, Generic, Literal, TypeVar

from pykubeadm.errors import PykubeadmError
from pykubeadm.util.dataclass import dataclass
from pykubeadm.util.kube_object import ODD_SHAPE
from pykubeadm.util.side_by_side import side_by_side

Level = Literal["problem", "warning", "unknown", "note", "fine"]
Subject = TypeVar("Subject")
LEVELS: Final[tuple[Level, ...]] = ("problem", "warning", "unknown", "note", "fine")  # the worst first
_AT_A_TIME: Final = 6


@dataclass(frozen=True, slots=True)
class Remark:
    """Something that is wrong: `found` says what, `run` what to do about it. A "problem" keeps something from working, a
    "warning" will, or may; "unknown" is what could not be checked; a "note" says why
    something is as it is."""

    level: Level
    found: str
    run: str = ""


def problem(found: str, run: str = "") -> Remark:
    return Remark("problem", found, run)


def warning(found: str, run: str = "") -> Remark:
    return Remark("warning", found, run)


def unknown(found: str, run: str = "") -> Remark:
    return Remark("unknown", found, run)


def note(found: str, run: str = "") -> Remark:
    return Remark("note", found, run)


@dataclass(frozen=True, slots=True)
class Check(Generic[Subject]):
    """`name` is "node/topic" or "cluster/topic"; `why` says why it matters."""

    name: str
    why: str
    look: Callable[[Subject], Iterable[Remark]]


@dataclass(frozen=True, slots=True)
class Examined:
    """A check with its remarks, () where all is well."""

    name: str
    why: str
    remarks: tuple[Remark, ...]

    @property
    def level(self) -> Level:
        """That of the worst remark."""
        return min((remark.level for remark in self.remarks), key=LEVELS.index, default="fine")


def examine(checks: Sequence[Check[Subject]], subject: Subject) -> list[Examined]:
    """All checks, in their order. A check that cannot be made is a remark, too."""

    def one(check: Check[Subject]) -> Examined:
        try:
            remarks = tuple(check.look(subject))
        except PykubeadmError as error:
            remarks = (unknown(f"this could not be checked: {error}"),)
        except ODD_SHAPE as error:  # whatever is in the way of one check, the others shall be made
            remarks = (unknown(f"this could not be checked: {type(error).__name__}: {error}"),)
        return Examined(check.name, check.why, remarks)

    return side_by_side(one, checks, _AT_A_TIME)
