"""Spans of time as kubectl shows ages (apimachinery: util/duration, HumanDuration): "42s", "4m30s", "4d3h", "364d", "9y"."""

from __future__ import annotations

from datetime import timedelta

_MINUTE, _HOUR, _DAY = 60, 3600, 86400
_YEAR = 365 * _DAY
# Up to which length (seconds) which units are shown, as (name, seconds): the second one is left out where it would be 0.
_STEPS: tuple[tuple[int, tuple[tuple[str, int], ...]], ...] = (
    (2 * _MINUTE, (("s", 1),)),
    (10 * _MINUTE, (("m", _MINUTE), ("s", 1))),
    (3 * _HOUR, (("m", _MINUTE),)),
    (8 * _HOUR, (("h", _HOUR), ("m", _MINUTE))),
    (2 * _DAY, (("h", _HOUR),)),
    (8 * _DAY, (("d", _DAY), ("h", _HOUR))),
    (2 * _YEAR, (("d", _DAY),)),
    (8 * _YEAR, (("y", _YEAR), ("d", _DAY))),
)


def age(span: timedelta) -> str:
    """`span` in the units that matter at its length; "<invalid>" where it is negative by two seconds or more."""
    seconds = int(span.total_seconds())
    if seconds < -1:
        return "<invalid>"
    seconds = max(seconds, 0)
    units = next((units for limit, units in _STEPS if seconds < limit), (("y", _YEAR),))
    (name, length), *smaller = units
    text = f"{seconds // length}{name}"
    for other, of in smaller:
        if rest := seconds % length // of:
            text += f"{rest}{other}"
    return text
