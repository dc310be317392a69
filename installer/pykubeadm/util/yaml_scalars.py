"""Unquoted YAML scalars as Kubernetes reads them (sigs.k8s.io/yaml; go.yaml.in/yaml/v2, resolve.go): YAML 1.1 without base 60;
timestamps stay text, and so does a number that no float can hold."""

from __future__ import annotations

import math
import re
from datetime import date
from decimal import Decimal
from functools import lru_cache

_TAG = "tag:yaml.org,2002:"
_WORDS: dict[str, bool | None] = {
    **dict.fromkeys(("y", "Y", "yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON"), True),
    **dict.fromkeys(("n", "N", "no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF"), False),
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
}
_SPECIAL = {
    sign + word: float(value) for word, value in ((".inf", "inf"), (".Inf", "inf"), (".INF", "inf")) for sign in ("", "+")
}
_SPECIAL |= {"-.inf": float("-inf"), "-.Inf": float("-inf"), "-.INF": float("-inf")}
_SPECIAL |= dict.fromkeys((".nan", ".NaN", ".NAN"), float("nan"))
# An integer of 64 bits has no more digits than these, zeros before it aside; 0b-1 is one, for reasons of Go's.
_INTEGER = re.compile(r"([-+]?)(?:0[xX]0*([0-9a-fA-F]{1,16})|0[bB]0*([01]{1,64})|0[oO]?0*([0-7]{1,22})|([1-9][0-9]{0,19}|0))")
_SIGN_INSIDE = re.compile(r"0b([-+])0*([01]{1,64})")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_POINT_FIRST = re.compile(r"\.[0-9]+(_[0-9]+)*([eE][-+]?[0-9]+(_[0-9]+)*)?")
_DATE = r"(?P<year>[0-9]{4})-(?P<month>[0-9]{1,2})-(?P<day>[0-9]{1,2})"
_CLOCK = r"(2[0-3]|[01]?[0-9]):[0-5]?[0-9]:[0-5]?[0-9]([.,][0-9]+)?"
_TIMESTAMP = re.compile(rf"{_DATE}([Tt]{_CLOCK}(Z|[-+](2[0-4]|[01][0-9]):[0-5][0-9])|[ ]{_CLOCK})?")
_BASE_60 = re.compile(r"[-+]?[0-9][0-9_]*(:[0-5]?[0-9])+(\.[0-9_]*)?")
_KINDS: dict[type, str] = {bool: "bool", int: "int", float: "float", type(None): "null", str: "str"}

Scalar = str | int | float | bool | None


def resolve(text: str, tag: str | None) -> Scalar:
    """The value of a plain scalar, or of one with a `tag`; ValueError where the tag does not fit.

    A float that is whole comes as an integer, as which Go prints it, and reads it again.
    """
    wanted = (tag or "").removeprefix(_TAG)
    if tag and (wanted not in (*_KINDS.values(), "timestamp") or wanted == "str"):
        return text  # other tags say nothing to Go and leave text
    value = _plain(text)
    kind = "timestamp" if value == text and is_timestamp(text) else _KINDS[type(value)]
    if wanted == "float" and kind == "int" and isinstance(value, int) and value < 2**63:
        value = float(value)
    elif tag and kind != wanted:
        raise ValueError(f'"{text}" is not of the type {wanted}, as its tag !!{wanted} says')
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e21:
        return int(Decimal(repr(value)))  # zeros after the digits that a float has
    return value


@lru_cache(maxsize=1024)
def is_text(text: str) -> bool:
    """Whether Kubernetes writes the text without quotes: it is read as nothing else, nor by readers that know base 60
    (go.yaml.in/yaml/v2, encode.go)."""
    return isinstance(_plain(text), str) and not is_timestamp(text) and not _BASE_60.fullmatch(text)


def is_timestamp(text: str) -> bool:
    """Whether Go takes the text for a timestamp, which it reads as text all the same."""
    found = _TIMESTAMP.fullmatch(text)
    if not found:
        return False
    try:
        date(int(found["year"]) or 4, int(found["month"]), int(found["day"]))  # the year 0 is a leap year to Go
    except ValueError:
        return False
    return True


def _plain(text: str) -> Scalar:
    if text in _WORDS:
        return _WORDS[text]
    if text in _SPECIAL:
        return _SPECIAL[text]
    if text[0] not in "+-.0123456789":
        return text
    digits = text.replace("_", "")
    value = None if text[0] == "." else _integer(digits)
    if value is not None:
        return value
    if (_POINT_FIRST.fullmatch(text) if text[0] == "." else _FLOAT.fullmatch(digits)) and math.isfinite(number := float(digits)):
        return number
    return text


def _integer(text: str) -> int | None:
    """None where it is none of 64 bits."""
    if found := _INTEGER.fullmatch(text):
        sign, *digits = found.groups()
        value = next(int(part, base) for part, base in zip(digits, (16, 2, 8, 10), strict=True) if part)
    elif found := _SIGN_INSIDE.fullmatch(text):
        sign, value = found[1], int(found[2], 2)
    else:
        return None
    value = -value if sign == "-" else value
    return value if -(2**63) <= value < (2**63 if sign else 2**64) else None
