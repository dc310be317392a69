"""Trying again: how often, how long, and what is raised in the end."""

from __future__ import annotations

from datetime import timedelta

import pytest

from pykubeadm.util import retry
from pykubeadm.util.retry import RanOutError, every, try_again

TEN = timedelta(seconds=10)


@pytest.fixture(autouse=True)
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """A clock that moves when somebody sleeps; the pauses."""
    slept: list[float] = []
    monkeypatch.setattr(retry.time, "monotonic", lambda: sum(slept))
    monkeypatch.setattr(retry.time, "sleep", slept.append)
    return slept


class Flaky:
    """Fails so many times, then answers."""

    def __init__(self, failures: int, error: Exception) -> None:
        self.left, self.error = failures, error

    def __call__(self) -> str:
        if self.left:
            self.left -= 1
            raise self.error
        return "answer"


def test_it_gives_the_first_answer_and_reports_what_failed_before(pauses: list[float]) -> None:
    reported: list[Exception] = []
    error = OSError("no")
    assert try_again(Flaky(3, error), lambda *_: TEN, pause=every(2), report=reported.append) == "answer"
    assert (pauses, reported) == ([2, 2, 2], [error] * 3)


def test_a_failure_that_gets_no_time_is_raised_as_it_is(pauses: list[float]) -> None:
    error = OSError("never")
    with pytest.raises(OSError) as caught:
        try_again(Flaky(1, error), lambda *_: None, pause=every(2))
    assert caught.value is error
    assert pauses == []


def test_it_gives_up_where_no_time_is_left_for_another_try(pauses: list[float]) -> None:
    error = OSError("no")
    with pytest.raises(RanOutError, match=r"no \(tried for 9 s\)") as caught:
        try_again(Flaky(99, error), lambda *_: TEN, pause=every(3))
    assert caught.value.__cause__ is error
    assert pauses == [3, 3, 3]


def test_patience_may_end_with_the_time_that_was_spent(pauses: list[float]) -> None:
    with pytest.raises(OSError, match=r"^no$"):
        try_again(Flaky(99, OSError("no")), lambda _error, spent: TEN if spent < 4 else None, pause=every(2))
    assert pauses == [2, 2]


def test_the_pause_may_follow_from_what_a_call_took(pauses: list[float]) -> None:
    def slow() -> None:
        pauses.append(1)  # the clock goes on
        raise OSError

    with pytest.raises(RanOutError):
        try_again(slow, lambda *_: TEN, pause=lambda took: 3 * took)
    assert pauses == [1, 3, 1, 3, 1]
