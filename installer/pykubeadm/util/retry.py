"""Trying again: the one loop, with the time that may be spent, the pauses, and a report of why."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import timedelta
from typing import TypeVar

T = TypeVar("T")

# For a failure and the seconds spent so far, how long to try again in all; None where that is no use.
Patience = Callable[[Exception, float], timedelta | None]


class RanOutError(Exception):
    """The last failure, after `spent` seconds, when there was no time to try once more."""

    def __init__(self, failure: Exception, spent: float) -> None:
        super().__init__(f"{failure} (tried for {spent:.0f} s)" if spent >= 1 else str(failure))
        self.spent = spent


def _silent(_failure: Exception) -> None:
    return


def try_again(
    call: Callable[[], T],
    patience: Patience,
    *,
    pause: Callable[[float], float],
    report: Callable[[Exception], None] = _silent,
) -> T:
    """The result of `call`. A failure that `patience` gives no time is raised as it is; one for which the time ran out ends in
    RanOutError from it. `pause` gives the seconds until the next call from those that the last one took; `report` gets each
    failure before its pause."""
    began = time.monotonic()
    while True:
        called = time.monotonic()
        try:
            return call()
        except Exception as failure:
            now = time.monotonic()
            limit, seconds = patience(failure, now - began), pause(now - called)
            if limit is None:
                raise
            if now - began + seconds > limit.total_seconds():
                raise RanOutError(failure, now - began) from failure
            report(failure)
        time.sleep(seconds)


def every(seconds: float) -> Callable[[float], float]:
    """The same pause each time."""
    return lambda _took: seconds
