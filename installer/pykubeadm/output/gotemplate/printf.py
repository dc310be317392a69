"""Go's fmt.Sprintf, of the verbs that say something of JSON's values: %v %s %q %d %x %X %o %b %t %e %E %f %g %G and %%, with
width, precision and the flags - + 0. What does not fit together is refused, where Go prints `%!d(string=x)`."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from pykubeadm.output.go_text import number, plain
from pykubeadm.output.refusal import MisfitError

_VERB = re.compile(r"%([-+0]*)([0-9]*)(\.[0-9]*)?(.?)", re.DOTALL)
_WIDEST = 10_000
_ESCAPES = {7: "\\a", 8: "\\b", 9: "\\t", 10: "\\n", 11: "\\v", 12: "\\f", 13: "\\r", 34: '\\"', 92: "\\\\"}


def sprintf(template: Any, *values: Any) -> str:
    """MisfitError where verbs and values do not fit."""
    if not isinstance(template, str):
        raise MisfitError("printf begins with a text")
    rest = list(values)
    made: list[str] = []
    at = 0
    while found := _VERB.search(template, at):
        made.append(template[at : found.start()])
        at = found.end()
        if found[4] == "%":
            made.append("%")
            continue
        if not rest:
            raise MisfitError(f'there is no value for "{found[0]}"')
        made.append(_formatted(rest.pop(0), _leaf(*found.groups(), said=found[0])))
    if rest:
        raise MisfitError(f"there are {len(values)} values, and verbs for {len(values) - len(rest)}")
    return "".join([*made, template[at:]])


def _formatted(value: Any, leaf: Callable[[Any], str]) -> str:
    """Each value within lists and objects by itself, as in Go."""
    if isinstance(value, Mapping):
        return f"map[{' '.join(f'{leaf(key)}:{_held(value[key], leaf)}' for key in sorted(value))}]"
    if isinstance(value, list):
        return f"[{' '.join(_held(held, leaf) for held in value)}]"
    return leaf(value)


def _held(value: Any, leaf: Callable[[Any], str]) -> str:
    text = _formatted(value, leaf)
    return text.strip() if value is None else text  # <nil> has no width there


def _leaf(flags: str, width: str, precision: str | None, verb: str, *, said: str) -> Callable[[Any], str]:
    """How one value that holds no others is written."""
    if verb not in "vsqdxXobteEfgG" or not verb:
        raise MisfitError(f'printf\'s "{said}" is not supported')
    digits = None if precision is None else int(precision[1:] or "0")
    if max(int(width or "0"), digits or 0) > _WIDEST:
        raise MisfitError(f'"{said}" is too wide')

    def write(value: Any) -> str:
        text = _text(value, verb, digits, "+" if "+" in flags and verb != "v" else "")  # %+v is about structs
        if text is None:
            raise MisfitError(f'"{said}" does not fit {plain(value) if not isinstance(value, str) else "a text"}')
        if "-" in flags:
            return text.ljust(int(width or "0"))
        if "0" not in flags:
            return text.rjust(int(width or "0"))
        if not isinstance(value, int | float) or isinstance(value, bool):
            raise MisfitError(f'"{said}" puts zeros before a number only')
        return text.zfill(int(width or "0"))

    return write


def _text(value: Any, verb: str, digits: int | None, sign: str) -> str | None:
    """None where the verb says nothing of such a value."""
    if isinstance(value, str):
        return _of_text(value, verb, digits) if not sign else None
    if verb == "v" and not isinstance(value, float) and digits is None:
        return plain(value)
    if isinstance(value, bool):
        return plain(value) if verb == "t" and digits is None else None
    if isinstance(value, int):
        return f"{value:{sign}{verb}}" if verb in "dxXob" and digits is None else None
    if isinstance(value, float) and verb in "veEfgG":
        return _of_float(value, verb, digits, sign)
    return None


def _of_text(value: str, verb: str, digits: int | None) -> str | None:
    if verb in "xX" and digits is None:
        return value.encode(errors="replace").hex() if verb == "x" else value.encode(errors="replace").hex().upper()
    if verb not in "vsq":
        return None
    shown = value[:digits]
    return shown if verb != "q" else quoted(shown)


def _of_float(value: float, verb: str, digits: int | None, sign: str) -> str:
    if digits is None and verb in "vgG":
        shown = number(value)
        shown = f"+{shown}" if sign and not shown.startswith("-") else shown
        return shown.upper() if verb == "G" else shown
    return f"{value:{sign}.{6 if digits is None else digits}{'g' if verb == 'v' else verb}}"


def quoted(text: str) -> str:
    """As strconv.Quote."""
    return f'"{"".join(map(_escaped, text))}"'


def _escaped(char: str) -> str:
    code = ord(char)
    if code in _ESCAPES:
        return _ESCAPES[code]
    if char.isprintable():
        return char
    if code < 0x80:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
