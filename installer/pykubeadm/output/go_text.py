"""Values as Go's `fmt` and `encoding/json` write them, and Go's string literals.

Values are JSON's: None, bool, int, float, str, lists and mappings with text as keys.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

# encoding/json writes these so that a browser takes none of them for HTML or an end of line (encoding/json, tables.go).
_ESCAPED = {ord(char): f"\\u{ord(char):04x}" for char in "<>&\u2028\u2029"}
_SIMPLE = {"a": 7, "b": 8, "f": 12, "n": 10, "r": 13, "t": 9, "v": 11, "\\": 92}
_CODED = re.compile(r"x([0-9a-fA-F]{2})|([0-3][0-7]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})")


def number(value: float) -> str:
    """As fmt's %v: floats with the fewest digits that mean them, and an exponent below 1e-4 and from 1e6 on, where Go's %g has
    one (strconv, ftoa.go)."""
    return str(value) if isinstance(value, int) else _shortest(value, -4, 6)


def _shortest(value: float, least: int, most: int) -> str:
    mantissa, _, exponent = f"{abs(value)!r}".partition("e")
    whole, _, fraction = mantissa.partition(".")
    digits = (whole + fraction).lstrip("0")
    point = int(exponent or "0") + len(digits) - len(fraction)  # how many digits stand before the point
    digits = digits.rstrip("0")
    sign = "-" if f"{value!r}".startswith("-") else ""
    if not digits:
        return f"{sign}0"
    if not least <= point - 1 < most:
        return f"{sign}{digits[0]}{'.' if digits[1:] else ''}{digits[1:]}e{point - 1:+03d}"
    if point <= 0:
        return f"{sign}0.{'0' * -point}{digits}"
    return f"{sign}{digits[:point].ljust(point, '0')}{'.' if digits[point:] else ''}{digits[point:]}"


def plain(value: Any) -> str:
    """A value that holds no others, as fmt's %v."""
    if value is None:
        return "<nil>"
    if isinstance(value, bool):
        return "true" if value else "false"
    return value if isinstance(value, str) else number(value)


def printed(value: Any) -> str:
    """Any value as fmt's %v: `map[a:1 b:[x y]]`."""
    if isinstance(value, Mapping):
        return f"map[{' '.join(f'{key}:{printed(value[key])}' for key in sorted(value))}]"
    if isinstance(value, Sequence) and not isinstance(value, str):
        return f"[{' '.join(map(printed, value))}]"
    return plain(value)


def to_json(value: Any, indent: int = 0, *, ordered: bool = False, depth: int = 1) -> str:
    """JSON as encoding/json writes it, without an end of line: on one line, or a line for each value, `indent` blanks a level.
    `ordered` keeps the keys' order, as of a struct's fields; else they are sorted, as of a map."""
    if isinstance(value, Mapping):
        keys = value if ordered else sorted(value)
        colon = ": " if indent else ":"
        parts = (f"{_quoted(key)}{colon}{to_json(value[key], indent, ordered=ordered, depth=depth + 1)}" for key in keys)
        return _enclosed("{", parts, "}", indent, depth)
    if isinstance(value, Sequence) and not isinstance(value, str):
        parts = (to_json(part, indent, ordered=ordered, depth=depth + 1) for part in value)
        return _enclosed("[", parts, "]", indent, depth)
    if isinstance(value, str):
        return _quoted(value)
    if isinstance(value, float):
        return re.sub(r"e-0(\d)$", r"e-\1", _shortest(value, -6, 21))
    return "null" if value is None else plain(value)


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False).translate(_ESCAPED)


def _enclosed(opening: str, parts: Iterable[str], closing: str, indent: int, depth: int) -> str:
    held = list(parts)
    if not held or not indent:
        return f"{opening}{','.join(held)}{closing}"
    line = "\n" + " " * (indent * depth)
    return f"{opening}{line}{f',{line}'.join(held)}{line[:-indent]}{closing}"


def unquoted(literal: str) -> str:
    """What a string literal with its quotes, single or double ones, means (strconv, quote.go). ValueError where it is none."""
    quote, rest = literal[0], literal[1:-1]
    found = bytearray()
    while rest:
        char, rest = rest[0], rest[1:]
        if char == quote:
            raise ValueError("there is a quote within the text")
        if char != "\\":
            found += char.encode(errors="surrogatepass")
            continue
        content, rest = _escape(rest, quote)
        found += content
    return found.decode(errors="replace")


def _escape(rest: str, quote: str) -> tuple[bytes, str]:
    """What stands for itself after a backslash, and what follows."""
    if rest[:1] and rest[0] in _SIMPLE:
        return bytes([_SIMPLE[rest[0]]]), rest[1:]
    if rest[:1] == quote:
        return quote.encode(), rest[1:]
    coded = _CODED.match(rest)
    if coded is None:
        raise ValueError(f'"\\{rest[:1]}" is not an escape sequence')
    byte, octal, *runes = coded.groups()
    if byte or octal:
        return bytes([int(byte, 16) if byte else int(octal, 8)]), rest[coded.end() :]
    rune = int(next(filter(None, runes)), 16)
    if 0xD800 <= rune < 0xE000 or rune > 0x10FFFF:
        raise ValueError(f'"\\{coded[0]}" is not a character')
    return chr(rune).encode(), rest[coded.end() :]
