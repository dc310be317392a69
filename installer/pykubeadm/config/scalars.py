"""Unquoted YAML scalars as Go reads them (go.yaml.in/yaml/v2, resolve.go): YAML 1.1 without base 60, timestamps stay text."""

from __future__ import annotations

import re

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
# What has more digits than 64 bits can is a float; int would refuse thousands of them in Python's words.
_INTEGER = re.compile(r"[-+]?(0[xX][0-9a-fA-F]+|0[bB][01]+|0[oO]?[0-7]+|0|[1-9][0-9]{0,19})")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_KINDS: dict[type, str] = {bool: "bool", int: "int", float: "float", type(None): "null", str: "str"}

Scalar = str | int | float | bool | None


def resolve(text: str, tag: str | None) -> Scalar:
    """The value of a plain scalar, or of one with a `tag`; ValueError where the tag does not fit."""
    if tag is None:
        return _plain(text)
    if not tag.startswith(_TAG) or tag in (f"{_TAG}str", f"{_TAG}timestamp"):
        return text  # tags of the user's own say nothing to Go and leave text
    wanted = tag.removeprefix(_TAG)
    value = _plain(text)
    kind = _KINDS[type(value)]
    if wanted == "float" and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if wanted in _KINDS.values() and kind != wanted:
        raise ValueError(f'"{text}" is no {wanted}, as its tag !!{wanted} says')
    return value if wanted in _KINDS.values() else text


def _plain(text: str) -> Scalar:
    if text in _WORDS:
        return _WORDS[text]
    if text in _SPECIAL:
        return _SPECIAL[text]
    if text[0] not in "+-.0123456789":
        return text
    digits = text if text[0] == "." else text.replace("_", "")
    if _INTEGER.fullmatch(digits):
        value = _integer(digits)
        if -(2**63) <= value < 2**64:
            return value
    if _FLOAT.fullmatch(digits):
        return float(digits)
    return text


def _integer(text: str) -> int:
    body = text.lstrip("+-")
    value = int(body, 8) if re.fullmatch(r"0[0-7]+", body) else int(body, 0)
    return -value if text.startswith("-") else value
