"""What a preflight check is, and how many are run: all of them, side by side, with every finding in one error."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

from pykubeadm.errors import PreflightError, PykubeadmError
from pykubeadm.phases.preflight.machine import Machine
from pykubeadm.util.dataclass import dataclass
from pykubeadm.util.side_by_side import side_by_side

_THREADS = 8  # most checks that take time wait for a command


@dataclass(frozen=True, slots=True)
class Findings:
    """What a check found: sentences that say what is wrong and what to do. Errors stop the run, warnings do not."""

    errors: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


FINE = Findings()


def error(sentence: str) -> Findings:
    return Findings(errors=(sentence,))


def warning(sentence: str) -> Findings:
    return Findings(warnings=(sentence,))


@dataclass(frozen=True, slots=True)
class Check:
    """A check; `name` is what --ignore-preflight-errors takes, kubeadm's where kubeadm has it (preflight/checks.go)."""

    name: str
    look: Callable[[Machine], Findings]


def run_checks(checks: Sequence[Check], machine: Machine, ignored: Collection[str], warn: Callable[[str], None]) -> None:
    """Run all checks, hand each warning to `warn` in the order of `checks`, and raise PreflightError with all errors.

    `ignored` are names in any case, or "all": their errors become warnings. Names of no check are no error, so that one
    list serves several versions.
    """
    require_fine(look_all(checks, machine, ignored, warn))


def look_all(checks: Sequence[Check], machine: Machine, ignored: Collection[str], warn: Callable[[str], None]) -> list[str]:
    """The errors of all checks, as `run_checks` would raise them."""
    found = side_by_side(lambda check: _look(check, machine), checks, _THREADS)
    lower = {name.lower() for name in ignored}
    errors: list[str] = []
    for check, findings in zip(checks, found, strict=True):
        tolerated = "all" in lower or check.name.lower() in lower
        for sentence in (*findings.warnings, *(findings.errors if tolerated else ())):
            warn(f"[WARNING {check.name}]: {sentence}")
        errors.extend(f"[ERROR {check.name}]: {sentence}" for sentence in (() if tolerated else findings.errors))
    return errors


def require_fine(errors: Sequence[str], unready: str = "this node is not ready for Kubernetes") -> None:
    """PreflightError where there are errors of checks; `unready` is how its sentence begins."""
    if errors:
        raise PreflightError(
            "\n".join(
                [
                    f"{unready}, for {len(errors)} reason{'s' if len(errors) > 1 else ''}:",
                    *(f"\t{error}" for error in errors),
                    "Fix them and run this again. --ignore-preflight-errors=Name,… makes the errors of a check warnings.",
                ]
            )
        )


def _look(check: Check, machine: Machine) -> Findings:
    try:
        return check.look(machine)
    except PykubeadmError as failure:
        return error(f"the check could not be made: {failure}")
