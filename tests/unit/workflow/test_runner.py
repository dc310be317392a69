"""What a run does and reports: check before apply, verify after it, the journal true at every point."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, field

import pytest

from pykubeadm.errors import BUG, INTERRUPTED, MemberRemainsError, NodeError, PhaseError, UnfinishedError
from pykubeadm.node.journal import Journal
from pykubeadm.workflow.events import Event, Note, PhaseFailed, PhaseFinished, RunFinished
from pykubeadm.workflow.phase import Phase, steps
from pykubeadm.workflow.runner import run_steps
from tests.support.node import FakeNode


@dataclass
class Run:
    """Phases here act on a set of names."""

    done: set[str] = field(default_factory=set)
    verified: list[str] = field(default_factory=list)


def phase(name: str, fail: Callable[[], None] = lambda: None, **kwargs: object) -> Phase[Run]:
    def check(run: Run) -> str | None:
        return f"{name} is there" if name in run.done else None

    def apply(run: Run) -> list[str]:
        fail()
        run.done.add(name)
        return [f"made {name}"]

    return Phase(name, f"make {name}", apply=apply, check=check, verify=lambda run: run.verified.append(name), **kwargs)  # type: ignore[arg-type] # kwargs are Phase's


def node_with_journal() -> FakeNode:
    """A node on which an earlier run changed something."""
    node = FakeNode()
    Journal(node).will_start("kubelet")
    return node


def execute(phases: list[Phase[Run]], run: Run, node: FakeNode, *, dry_run: bool = False) -> list[Event]:
    events: list[Event] = []
    run_steps("init", "cp1", tuple(steps(phases)), run, dry_run=dry_run, recorder=Journal(node), emit=events.append)
    return events


def outcomes(events: list[Event]) -> dict[str, str]:
    return {event.phase: event.outcome for event in events if isinstance(event, PhaseFinished)}


def test_a_second_run_changes_nothing_and_says_so() -> None:
    run, node = Run(), FakeNode()
    phases = [phase("a"), phase("b")]
    assert outcomes(execute(phases, run, node)) == {"a": "changed", "b": "changed"}
    again = execute(phases, run, node)
    assert outcomes(again) == {"a": "unchanged", "b": "unchanged"}
    assert [event.reason for event in again if isinstance(event, PhaseFinished)] == ["a is there", "b is there"]
    assert isinstance(again[-1], RunFinished)
    assert again[-1].outcome == "unchanged"


def test_a_phase_that_is_not_wanted_is_skipped() -> None:
    run = Run()
    assert outcomes(execute([phase("a", when=lambda _run: False)], run, FakeNode())) == {"a": "skipped"}
    assert run.done == set()


def test_a_dry_run_does_not_claim_what_it_did_not_look_at() -> None:
    run = Run()
    wait: Phase[Run] = Phase("wait", "wait", verify=lambda run: run.verified.append("wait"), unchanged="healthy")
    events = execute([wait], run, FakeNode(dry_run=True), dry_run=True)
    reasons = [event.reason for event in events if isinstance(event, PhaseFinished)]
    assert (reasons, run.verified) == (["not waited for in a dry run"], [])


def test_a_dry_run_verifies_nothing() -> None:
    run = Run()
    execute([phase("a")], run, FakeNode(dry_run=True), dry_run=True)
    assert run.verified == []


def test_a_failed_run_goes_on_when_run_again() -> None:
    run, node, broken = Run(), node_with_journal(), [True]

    def fail() -> None:
        if broken:
            raise PhaseError("no space left")

    phases = [phase("a"), phase("b", fail), phase("c")]
    events: list[Event] = []
    with pytest.raises(PhaseError, match="no space left"):
        run_steps("init", "cp1", tuple(steps(phases)), run, dry_run=False, recorder=Journal(node), emit=events.append)
    assert [(event.phase, event.exit_status) for event in events if isinstance(event, PhaseFailed)] == [("b", 4)]
    assert isinstance(events[-1], RunFinished)
    assert (events[-1].outcome, events[-1].exit_status) == ("failed", 4)
    last = Journal(node).last_run()
    assert last is not None
    assert (last["phase"], last["outcome"]) == ("b", "failed")
    broken.clear()
    assert outcomes(execute(phases, run, node)) == {"a": "unchanged", "b": "changed", "c": "changed"}


def test_an_interrupted_run_says_so() -> None:
    def interrupt() -> None:
        raise KeyboardInterrupt

    events: list[Event] = []
    node = node_with_journal()
    with pytest.raises(KeyboardInterrupt):
        run_steps(
            "init", "cp1", tuple(steps([phase("a", interrupt)])), Run(), dry_run=False, recorder=Journal(node), emit=events.append
        )
    assert isinstance(events[-1], RunFinished)
    assert (events[-1].outcome, events[-1].exit_status) == ("interrupted", INTERRUPTED)
    last = Journal(node).last_run()
    assert last is not None
    assert last["outcome"] == "interrupted"


def test_what_could_not_be_done_ends_the_run_after_all_the_rest() -> None:
    """Two phases that others do not need; the status is the first one's, every sentence is reported."""

    def remain() -> None:
        raise MemberRemainsError("the member remains")

    def leave() -> None:
        raise UnfinishedError("a mount remains", ["removed one file", "removed another"])

    events: list[Event] = []
    node = node_with_journal()
    run = Run()
    phases = steps([phase("a", remain), phase("b", leave), phase("c")])
    with pytest.raises(MemberRemainsError, match="the member remains\na mount remains") as raised:
        run_steps("reset", "cp1", tuple(phases), run, dry_run=False, recorder=Journal(node), emit=events.append)
    assert raised.value.exit_status == 9
    assert run.done == {"c"}
    assert [(event.phase, event.exit_status) for event in events if isinstance(event, PhaseFailed)] == [("a", 9), ("b", 4)]
    assert isinstance(events[-1], RunFinished)
    assert (events[-1].outcome, events[-1].changed, events[-1].exit_status) == ("failed", 3, 9)


def test_an_error_after_that_ends_the_run_at_once() -> None:
    def remain() -> None:
        raise UnfinishedError("a mount remains")

    def fail() -> None:
        raise PhaseError("no space left")

    run = Run()
    with pytest.raises(PhaseError, match="no space left"):
        execute([phase("a", remain), phase("b", fail), phase("c")], run, node_with_journal())
    assert run.done == set()


@pytest.mark.parametrize(
    ("raised", "outcome", "status"),
    [
        (None, "changed", 0),
        (PhaseError("the API server does not answer"), "failed", 4),
        (KeyboardInterrupt(), "interrupted", INTERRUPTED),
        (ZeroDivisionError(), "failed", BUG),
    ],
)
def test_a_full_disk_does_not_hide_how_the_run_ended(
    monkeypatch: pytest.MonkeyPatch, raised: BaseException | None, outcome: str, status: int
) -> None:
    node, events = node_with_journal(), list[Event]()
    journal = Journal(node)

    def full(_files: object) -> tuple[str, ...]:
        raise NodeError("cannot write /var/lib/pykubeadm/journal.json: no space is left")

    def end() -> None:
        if raised is not None:
            raise raised

    monkeypatch.setattr(node, "write", full)
    phases = tuple(steps([phase("a"), phase("b", end)]))
    with nullcontext() if raised is None else pytest.raises(type(raised)) as caught:
        run_steps("init", "cp1", phases, Run(), dry_run=False, recorder=journal, emit=events.append)
    assert caught is None or caught.value is raised
    assert isinstance(events[-1], RunFinished)
    assert (events[-1].outcome, events[-1].exit_status) == (outcome, status)
    [note] = [event.message for event in events if isinstance(event, Note)]
    assert note.endswith("cannot write /var/lib/pykubeadm/journal.json: no space is left")
