"""The functions of Go's templates, and the two that kubectl adds (text/template, funcs.go; cli-runtime, printers/template.go).

They take the values of their arguments, None where there is none, and raise MisfitError.
"""

from __future__ import annotations

import base64
import binascii
import itertools
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from pykubeadm.output.go_text import printed
from pykubeadm.output.gotemplate.printf import sprintf
from pykubeadm.output.refusal import MisfitError

UNSUPPORTED = ("call", "html", "js", "urlquery")


class Builtin(NamedTuple):
    """How many arguments it takes, and what it does."""

    least: int
    most: int | None
    call: Callable[..., Any]


def kind(value: Any) -> str:
    """What a value is, in a sentence."""
    if value is None:
        return "nothing (nil)"
    if isinstance(value, bool):
        return "true or false"
    if isinstance(value, str):
        return "a text"
    if isinstance(value, Mapping):
        return "an object"
    return "a list" if isinstance(value, list) else "a number"


def _comparable(value: Any) -> type | None:
    """Values of the same one can be compared; whole numbers and others go together here, which Go refuses."""
    if isinstance(value, bool | str):
        return type(value)
    return float if isinstance(value, int | float) else None


def _equal(value: Any, other: Any) -> bool:
    if value is None or other is None:
        return value is other
    if _comparable(value) != _comparable(other) or _comparable(value) is None:
        raise MisfitError(f"{kind(value)} cannot be compared with {kind(other)}")
    return bool(value == other)


def _eq(value: Any, *others: Any) -> bool:
    """Whether it equals one of them; those behind the first that it does are not looked at."""
    return any(_equal(value, other) for other in others)


def _lt(value: Any, other: Any) -> bool:
    if _comparable(value) != _comparable(other) or _comparable(value) in (None, bool):
        raise MisfitError(f"{kind(value)} and {kind(other)} have no order")
    return bool(value < other)


def _le(value: Any, other: Any) -> bool:
    return _lt(value, other) or _equal(value, other)


def _length(value: Any) -> int:
    if not isinstance(value, str | list | Mapping):
        raise MisfitError(f"{kind(value)} has no length")
    return len(value.encode(errors="replace") if isinstance(value, str) else value)


def _index(value: Any, *indexes: Any) -> Any:
    """Of an object's field that is missing, nil."""
    if value is None:
        raise MisfitError("nothing (nil) has no indexes")
    for index in indexes:
        if isinstance(value, Mapping):
            if not isinstance(index, str):
                raise MisfitError(f"an object's index is a text, not {kind(index)}")
            value = value.get(index)
        elif isinstance(value, list | str):
            held = list(value.encode(errors="replace")) if isinstance(value, str) else value
            value = held[_position(index, len(held) - 1)]
        else:
            raise MisfitError(f"{kind(value)} has no indexes")
    return value


def _position(index: Any, last: int) -> int:
    if not isinstance(index, int) or isinstance(index, bool):
        raise MisfitError(f"an index is a whole number, not {kind(index)}")
    if not 0 <= index <= last:
        raise MisfitError(f"the index {index} is out of range")
    return index


def _slice(value: Any, *indexes: Any) -> Any:
    """A text is cut between its bytes."""
    if not isinstance(value, list | str):
        raise MisfitError(f"{kind(value)} cannot be sliced")
    held = value.encode(errors="replace") if isinstance(value, str) else value
    start, end = [*(_position(index, len(held)) for index in indexes), *(0, len(held))[len(indexes) :]]
    if start > end:
        raise MisfitError(f"the slice begins at {start} and ends before it, at {end}")
    part = held[start:end]
    return part.decode(errors="replace") if isinstance(part, bytes) else part


def _print(*values: Any) -> str:
    """With a blank between two of which none is a text."""
    parts = [printed(value) for value in values[:1]]
    for before, value in itertools.pairwise(values):
        parts.append("" if isinstance(before, str) or isinstance(value, str) else " ")
        parts.append(printed(value))
    return "".join(parts)


def _println(*values: Any) -> str:
    return " ".join(map(printed, values)) + "\n"


def _exists(value: Any, *indexes: Any) -> bool:
    """Whether there is something at the indexes; without one, true."""
    if not indexes:
        return True
    for index in indexes:
        if isinstance(value, Mapping):
            value = value.get(index) if isinstance(index, str) else None
        elif isinstance(value, list | str) and isinstance(index, int) and not isinstance(index, bool):
            held = list(value.encode(errors="replace")) if isinstance(value, str) else value
            value = held[index] if 0 <= index < len(held) else None
        else:
            return False
    return value is not None


def _base64decode(text: Any) -> str:
    if not isinstance(text, str):
        raise MisfitError(f"base64decode takes a text, not {kind(text)}")
    try:
        return base64.b64decode(text.replace("\r", "").replace("\n", ""), validate=True).decode(errors="replace")
    except (binascii.Error, ValueError) as error:
        raise MisfitError("this is not base64") from error


# and, or: their arguments are evaluated one by one, so execute.py has them.
FUNCTIONS: dict[str, Builtin] = {
    "and": Builtin(1, None, lambda *_values: None),
    "or": Builtin(1, None, lambda *_values: None),
    "not": Builtin(1, 1, lambda value: not value),
    "eq": Builtin(2, None, _eq),
    "ne": Builtin(2, 2, lambda value, other: not _equal(value, other)),
    "lt": Builtin(2, 2, _lt),
    "le": Builtin(2, 2, _le),
    "gt": Builtin(2, 2, lambda value, other: not _le(value, other)),
    "ge": Builtin(2, 2, lambda value, other: not _lt(value, other)),
    "len": Builtin(1, 1, _length),
    "index": Builtin(1, None, _index),
    "slice": Builtin(1, 3, _slice),
    "print": Builtin(0, None, _print),
    "printf": Builtin(1, None, sprintf),
    "println": Builtin(0, None, _println),
    "exists": Builtin(1, None, _exists),
    "base64decode": Builtin(1, 1, _base64decode),
}
