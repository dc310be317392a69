"""Durations as Go's time.ParseDuration reads and time.Duration.String prints them ("8760h0m0s", "1.5s", "100ms").

Kubernetes' metav1.Duration uses this format: https://pkg.go.dev/time#ParseDuration. The resolution here is a microsecond.
"""

from __future__ import annotations

import re
from datetime import timedelta
from decimal import Decimal

_MICROSECONDS = {
    "ns": Decimal("0.001"),
    "us": Decimal(1),
    "µs": Decimal(1),
    "μs": Decimal(1),
    "ms": Decimal(1_000),
    "s": Decimal(1_000_000),
    "m": Decimal(60_000_000),
    "h": Decimal(3_600_000_000),
}
_PART = re.compile(r"(\d+\.?\d*|\.\d+)(ns|us|µs|μs|ms|s|m|h)")
_WHOLE = re.compile(rf"[+-]?(?:{_PART.pattern})+", re.ASCII)


def parse_duration(text: str) -> timedelta:
    """The duration written in `text`; raises ValueError with a sentence where Go would refuse it."""
    if text in ("0", "+0", "-0"):
        return timedelta()
    if not _WHOLE.fullmatch(text):
        raise ValueError(f'"{text}" is not a duration such as "30s", "5m0s" or "8760h"')
    total = sum((Decimal(number) * _MICROSECONDS[unit] for number, unit in _PART.findall(text)), Decimal())
    if total * 1000 >= 2**63:  # Go counts nanoseconds in an int64: about 292 years
        raise ValueError(f'"{text}" is longer than the 292 years that a duration can hold')
    return timedelta(microseconds=int(-total if text.startswith("-") else total))


def format_duration(value: timedelta) -> str:
    """`value` as Go prints it: hours, minutes and seconds with leading zero units dropped, smaller ones below a second."""
    total = value // timedelta(microseconds=1)
    sign, total = ("-", -total) if total < 0 else ("", total)
    if total == 0:
        return "0s"
    if total < 1_000:
        return f"{sign}{total}µs"
    if total < 1_000_000:
        return f"{sign}{_decimal(total, 1_000)}ms"
    minutes, rest = divmod(total, 60_000_000)
    hours, minutes = divmod(minutes, 60)
    seconds = f"{_decimal(rest, 1_000_000)}s"
    if hours:
        return f"{sign}{hours}h{minutes}m{seconds}"
    return f"{sign}{minutes}m{seconds}" if minutes else f"{sign}{seconds}"


def _decimal(value: int, unit: int) -> str:
    whole, rest = divmod(value, unit)
    digits = f"{rest:0{len(str(unit)) - 1}d}".rstrip("0")
    return f"{whole}.{digits}" if digits else str(whole)
