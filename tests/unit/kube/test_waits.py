"""Waiting: reasons are kept and reported, and a hopeless wait ends early."""

from __future__ import annotations

from datetime import timedelta
from itertools import count, pairwise

import pytest

from pykubeadm.kube import waits
from pykubeadm.kube.waits import WaitError, wait_for

MINUTE = timedelta(minutes=1)


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """A clock that moves when somebody sleeps."""
    now = [0.0]
    monkeypatch.setattr(waits.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(waits.time, "sleep", lambda seconds: now.__setitem__(0, now[0] + seconds))


def silent(_target: str, _reason: str) -> None:
    return


def test_it_ends_when_all_targets_are_reached() -> None:
    attempts = count(1)
    wait_for({"a": lambda: None, "b": lambda: None if next(attempts) > 3 else "not yet"}, MINUTE, report=silent)
    assert next(attempts) == 5


def test_the_error_names_what_was_not_reached_and_the_last_reason() -> None:
    with pytest.raises(WaitError) as caught:
        wait_for({"api": lambda: "connection refused", "fine": lambda: None}, timedelta(seconds=5), report=silent)
    assert caught.value.reasons == {"api": "connection refused"}
    assert str(caught.value) == "timed out after 5 s of waiting for api (connection refused)"


def test_reports_come_at_most_once_a_second() -> None:
    reported: list[tuple[str, str]] = []
    with pytest.raises(WaitError):
        wait_for({"api": lambda: "no"}, timedelta(seconds=10), report=lambda *said: reported.append(said))
    assert 8 <= len(reported) <= 10
    assert set(reported) == {("api", "no")}


def test_a_hopeless_wait_ends_early() -> None:
    with pytest.raises(WaitError, match=r"gave up after \d s of waiting for api \(no\): a flag is unknown"):
        wait_for({"api": lambda: "no"}, MINUTE, report=silent, hopeless=lambda: "a flag is unknown")


def test_what_takes_long_is_looked_at_less_and_less_often() -> None:
    looks: list[float] = []

    def look() -> str:
        looks.append(waits.time.monotonic())
        return "no"

    with pytest.raises(WaitError):
        wait_for({"api": look}, MINUTE, report=silent)
    pauses = [later - earlier for earlier, later in pairwise(looks)]
    assert pauses[0] == pytest.approx(0.02)
    assert pauses == sorted(pauses, key=lambda pause: round(pause, 6))
    assert pauses[-1] > 0.3
