"""`pykubeadm node prepare` and `node facts`: the roles on this node or an inventory's, reported as a run of one phase."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pykubeadm.errors import PykubeadmError
from pykubeadm.phases.prepare import NAME, translated
from pykubeadm.util.dataclass import dataclass
from pykubeadm.workflow.events import Event, PhaseFailed, PhaseFinished, PhaseStarted, RunFinished, RunStarted

if TYPE_CHECKING:
    from pykubeadm.ansible.results import PlaybookEvent, Summary

SUMMARY = "Run the node roles"


@dataclass(frozen=True, slots=True)
class Nodes:
    """Which nodes: those of `inventories` that match `limit`, or without inventories this one, called `name`."""

    name: str
    inventories: tuple[str, ...] = ()
    limit: str = ""


def prepare_nodes(
    nodes: Nodes,
    variables: Mapping[str, Any],
    emit: Callable[[Event], None],
    *,
    check: bool = False,
    diff: bool = False,
    tags: Sequence[str] = (),
) -> Summary:
    """Run all roles; with `check` nothing is changed. Raises NodeError with a sentence for each failed node."""
    from pykubeadm.ansible.playbook import run_playbook
    from pykubeadm.ansible.workspace import workspace

    began, changes = time.monotonic(), list[str]()
    where = nodes.limit or (", ".join(nodes.inventories) if nodes.inventories else nodes.name)
    emit(RunStarted(command="node prepare", node=where, phases=(NAME,), dry_run=check))
    emit(PhaseStarted(phase=NAME, summary=SUMMARY))
    try:
        with workspace(variables, nodes.inventories, nodes.name) as space:
            summary = run_playbook(
                space, "prepare", translated(emit, changes), limit=nodes.limit, tags=tags, check=check, diff=diff
            )
    except PykubeadmError as error:
        emit(PhaseFailed(phase=NAME, error=str(error), exit_status=error.exit_status))
        emit(RunFinished(outcome="failed", changed=len(changes), exit_status=error.exit_status))
        raise
    reason = "" if changes else "everything is up to date"
    outcome, seconds = "changed" if changes else "unchanged", time.monotonic() - began
    emit(PhaseFinished(phase=NAME, outcome=outcome, changes=tuple(changes), reason=reason, seconds=seconds))
    emit(RunFinished(outcome=outcome, changed=len(changes), exit_status=0))
    return summary


def facts_of(nodes: Nodes) -> dict[str, Mapping[str, Any]]:
    """Node name → what the roles know of it (plugins/modules/facts.py)."""
    from pykubeadm.ansible.playbook import run_playbook
    from pykubeadm.ansible.results import TaskEnded
    from pykubeadm.ansible.workspace import workspace

    found: dict[str, Mapping[str, Any]] = {}

    def report(event: PlaybookEvent) -> None:
        if isinstance(event, TaskEnded) and event.facts:
            found[event.host] = event.facts

    with workspace({}, nodes.inventories, nodes.name) as space:
        run_playbook(space, "facts", report, limit=nodes.limit)
    return found
