"""A phase is a value: one tuple of phases a command gives the run, the `phase` sub-commands, `--skip-phases`,
the help text, the progress display and the dry-run plan.

Every phase that changes anything has three parts. `check` looks whether its work is done already and says so in a
sentence; `apply` does it and returns what it changed, one sentence each (nothing: it was up to date); `verify` raises
PhaseError where the effect cannot be seen. That is what lets a killed run simply be run again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Generic, TypeVar

from pykubeadm.errors import UsageError
from pykubeadm.util.dataclass import dataclass

R_contra = TypeVar("R_contra", contravariant=True)  # the run: what the phases of one command share

Changes = Sequence[str]


def _always(_run: object) -> bool:
    return True


@dataclass(frozen=True, slots=True)
class Phase(Generic[R_contra]):
    """One step of a command.

    `name` is kubeadm's where kubeadm has the phase. A phase with `phases` is a group: it runs them in order and has no
    `apply` of its own. `flags` are the command's flags (their names) that mean something when the phase runs alone.
    `unchanged` is what is said of it when it had nothing to change.
    """

    name: str
    summary: str
    apply: Callable[[R_contra], Changes] | None = None
    check: Callable[[R_contra], str | None] | None = None
    verify: Callable[[R_contra], None] | None = None
    when: Callable[[R_contra], bool] = _always
    phases: tuple[Phase[R_contra], ...] = ()
    flags: tuple[str, ...] = ()
    unchanged: str = "up to date"
    hidden: bool = False


@dataclass(frozen=True, slots=True)
class Step(Generic[R_contra]):
    """A leaf phase with its place: `path` is "certs/apiserver"."""

    path: str
    phase: Phase[R_contra]


Choose = Callable[[Sequence[str]], tuple[Step[Any], ...]]  # the phases to skip → the steps to run


def steps(phases: Sequence[Phase[R_contra]], prefix: str = "") -> Iterator[Step[R_contra]]:
    """The leaves in the order they run."""
    for phase in phases:
        path = f"{prefix}{phase.name}"
        if phase.phases:
            yield from steps(phase.phases, f"{path}/")
        else:
            yield Step(path, phase)


def paths(phases: Sequence[Phase[R_contra]], prefix: str = "") -> Iterator[str]:
    """Every name that --skip-phases takes: groups and leaves."""
    for phase in phases:
        yield f"{prefix}{phase.name}"
        yield from paths(phase.phases, f"{prefix}{phase.name}/")


def without(phases: Sequence[Phase[R_contra]], skip: Sequence[str]) -> tuple[Step[R_contra], ...]:
    """The steps that remain when `skip` (paths of groups or leaves) is left out; UsageError names what does not exist."""
    known = set(paths(phases))
    unknown = [path for path in skip if path not in known]
    if unknown:
        raise UsageError(
            f"--skip-phases: there is no phase {', '.join(map(repr, unknown))}; the phases are {', '.join(paths(phases))}"
        )
    return tuple(
        step for step in steps(phases) if not any(step.path == path or step.path.startswith(f"{path}/") for path in skip)
    )
