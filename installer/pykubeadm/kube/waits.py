"""Waiting until something is so: polled, with the reason of the last failure kept and reported."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from datetime import timedelta

from pykubeadm.errors import PhaseError
from pykubeadm.util.retry import RanOutError, try_again

# Seconds between looks; more where a look takes long itself or there were many: a slow machine shall come up, not answer us.
INTERVAL = 0.02
_PAUSE_SHARE = 10  # times what the look took
_SPENT_SHARE = 100  # and at least this part of the time that was waited for already
_LONGEST_PAUSE = 0.5  # seconds
_REPORT_EVERY = 1.0  # seconds between two reports
_ASK_EVERY = 5.0  # seconds between two questions whether waiting is hopeless,
_ASK_SHARE = 10  # and so many times what the last one took: runtime and journal are asked, which costs a slow machine much

Probe = Callable[[], str | None]  # None where it is so, else the reason why not


class WaitError(PhaseError):
    """A wait ran out, or was given up: `reasons` are those of the targets that were not reached."""

    def __init__(self, reasons: Mapping[str, str], seconds: float, hopeless: str = "") -> None:
        self.reasons = dict(reasons)
        self.hopeless = hopeless
        what = "; ".join(f"{target} ({reason})" for target, reason in reasons.items())
        how = f"gave up after {seconds:.0f} s of waiting for" if hopeless else f"timed out after {seconds:.0f} s of waiting for"
        super().__init__(f"{how} {what}" + (f": {hopeless}" if hopeless else ""))


class _NotYetError(Exception):
    """A target was not reached."""


def wait_for(
    targets: Mapping[str, Probe],
    timeout: timedelta,
    *,
    report: Callable[[str, str], None],
    hopeless: Callable[[], str | None] = lambda: None,
    patient: bool = False,
) -> None:
    """Poll until every target is so; WaitError after `timeout`. `report` gets (targets, reasons) at most once a second.

    `hopeless` is asked now and then: a sentence from it ends the wait at once, as waiting longer cannot help. Targets that are
    `patient` wait themselves for a while before they say no.
    """
    began = reported = time.monotonic()
    ask_at = began + _ASK_EVERY
    reasons = dict.fromkeys(targets, "not tried yet")

    def look() -> None:
        for target in list(reasons):
            reason = targets[target]()
            if reason is None:
                del reasons[target]
            else:
                reasons[target] = reason
        if reasons:
            raise _NotYetError

    def patience(failure: Exception, _spent: float) -> timedelta | None:
        return timeout if isinstance(failure, _NotYetError) else None

    def between(_failure: Exception) -> None:
        nonlocal ask_at, reported
        now = time.monotonic()
        if now - reported >= _REPORT_EVERY:
            reported = now
            report(", ".join(reasons), "; ".join(dict.fromkeys(reasons.values())))
        if now >= ask_at:
            if (sentence := hopeless()) is not None:
                raise WaitError(reasons, now - began, sentence) from None
            answered = time.monotonic()
            ask_at = answered + max(_ASK_EVERY, _ASK_SHARE * (answered - now))

    def pause(took: float) -> float:
        if patient:
            return INTERVAL
        spent = time.monotonic() - began
        return min(max(INTERVAL, _PAUSE_SHARE * took, spent / _SPENT_SHARE), _LONGEST_PAUSE)

    try:
        try_again(look, patience, pause=pause, report=between)
    except RanOutError as error:
        raise WaitError(reasons, error.spent) from None
