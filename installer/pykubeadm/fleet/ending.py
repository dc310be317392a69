"""How a run over a fleet ends: one line a host, and where something failed the first cause on top."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from pykubeadm.errors import BugError, NodeError, PhaseError, PykubeadmError
from pykubeadm.workflow.events import NodeProgress, RunFinished, Subscriber

if TYPE_CHECKING:
    from pykubeadm.fleet.apply import Outcome


def finish(
    outcomes: Mapping[str, Outcome], problems: Sequence[tuple[str, str]], emit: Subscriber, *, bug: BugError | None = None
) -> None:
    """Say how each host did, and end the run. Raises an error with each cause once, and the exit status of a bug, if there was
    one, else the first cause's. `outcomes` are in the order in which hosts ended; `problems` are what stood in the way from the
    start, by host ("" for all)."""
    changed = sum(outcome.changes for outcome in outcomes.values())
    for name, outcome in outcomes.items():
        last = "failed" if outcome.error else "changed"
        message = str(outcome.error).splitlines()[0] if outcome.error else ""
        emit(NodeProgress(node=name, step="", outcome=last, message=message, seconds=outcome.seconds))
    error = _error(outcomes, problems) or bug
    if error and bug:
        bug.show_in(error)
    if error:
        emit(RunFinished(outcome="failed", changed=changed, exit_status=error.exit_status))
        raise error
    emit(RunFinished(outcome="changed" if changed else "unchanged", changed=changed, exit_status=0))


def _error(outcomes: Mapping[str, Outcome], problems: Sequence[tuple[str, str]]) -> PykubeadmError | None:
    """The first cause first, with all hosts that it was found on: what comes of another host's failure is that very error, and is
    not said again."""
    causes: dict[str, tuple[dict[str, None], int]] = {}  # sentence → hosts, exit status
    for host, sentence in problems:
        causes.setdefault(sentence, ({}, NodeError.exit_status))[0][host] = None
    errors: set[int] = set()
    for outcome in outcomes.values():
        if outcome.error and id(outcome.error) not in errors:
            errors.add(id(outcome.error))
            causes.setdefault(str(outcome.error), ({}, outcome.error.exit_status))[0][outcome.host] = None
    if not causes:
        return None
    sentences = [_sentence(text, list(hosts)) for text, (hosts, _status) in causes.items()]
    error = PhaseError("\n".join([*sentences, "run the same command again to continue from here"]))
    error.exit_status = next(status for _hosts, status in causes.values())
    return error


def _sentence(text: str, hosts: Sequence[str]) -> str:
    return text if text.startswith(hosts[0]) else f"{', '.join(hosts)}: {text}"
