"""Finds values in texts, in time that grows with the text and with the values, not with one times the other."""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections.abc import Iterable
from typing import Final

SHORTEST: Final = 8  # characters of a value; what is shorter is found everywhere
_PIECE: Final = 4096  # characters; values of more are found piece by piece, so that comparing costs no more than that
_FEW: Final = 50  # values, for each of which a text may be searched


class KnownValues:
    """Values of at least SHORTEST characters each."""

    def __init__(self, values: Iterable[str]) -> None:
        self._sorted = sorted({piece for value in values for piece in _pieces(value)})
        self._starts = {value[:SHORTEST] for value in self._sorted}
        self._longest = max(map(len, self._sorted), default=0)
        self._within = _within(self._sorted)

    def replaced(self, text: str, by: str) -> str:
        """The text with `by` in place of each value, the longest that begins at a place; those that adjoin are one."""
        if len(self._sorted) <= _FEW and not any(value in text for value in self._sorted):
            return text
        starts, parts, end = self._starts, list[str](), 0
        places = range(len(text) - SHORTEST + 1) if starts else ()
        for at in [at for at in places if text[at : at + SHORTEST] in starts]:
            if at >= end and (length := self._length_at(text, at)):
                parts += [text[end:at], by] if at > end or not parts else []
                end = at + length
        return "".join([*parts, text[end:]])

    def _length_at(self, text: str, at: int) -> int:
        """Of the longest value that begins there, 0 where none does. The values that a text begins with are sorted before it, and
        each is the beginning of what lies between the two."""
        number = bisect_right(self._sorted, text[at : at + self._longest]) - 1
        while number >= 0 and not text.startswith(self._sorted[number], at):
            number = self._within[number]
        return len(self._sorted[number]) if number >= 0 else 0


def _within(ordered: list[str]) -> array[int]:
    """For each value the place of the longest other one that it begins with, -1 where there is none."""
    found, open_ = array("q"), list[int]()
    for number, value in enumerate(ordered):
        while open_ and not value.startswith(ordered[open_[-1]]):
            open_.pop()
        found.append(open_[-1] if open_ else -1)
        open_.append(number)
    return found


def _pieces(value: str) -> Iterable[str]:
    """The last one is the longest, so that none is short."""
    last = max(len(value) // _PIECE - 1, 0) * _PIECE
    yield from (value[at : at + _PIECE] for at in range(0, last, _PIECE))
    yield value[last:]
