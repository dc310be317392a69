"""KYAML: YAML in braces with every text quoted (KEP-5295; sigs.k8s.io/yaml, kyaml/kyaml.go)."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from pykubeadm.output.go_text import to_json
from pykubeadm.util.yaml_scalars import is_timestamp

_INDENT = "  "
_FOLD = "\\\n"
_ESCAPES = {
    "\0": "\\0",
    "\a": "\\a",
    "\b": "\\b",
    "\f": "\\f",
    "\r": "\\r",
    "\v": "\\v",
    "\x1b": "\\e",
    "\x85": "\\N",
    "\xa0": "\\_",
    "\u2028": "\\L",
    "\u2029": "\\P",
    '"': '\\"',
    "\\": "\\\\",
}
# What a reader of YAML might take for something else than text; as a key it is quoted.
_WORDS = frozenset(
    ("null", "~", "true", "y", "yes", "on", "t", "false", "n", "no", "off", "f", ".inf", "-.inf", "+.inf", ".nan", "1", "0")
)
_NUMBER = re.compile(
    r"[-+]?(?:0[xX][0-9a-fA-F]+|0[bB][01]+|0[oO]?[0-7]+"
    r"|(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?"
    r"|0[xX](?:[0-9a-fA-F]+\.?[0-9a-fA-F]*|\.[0-9a-fA-F]+)[pP][-+]?[0-9]+|inf|infinity|nan)",
    re.IGNORECASE,
)
_BASE_60 = re.compile(r"[-+]?[1-9][0-9_]*(?::[0-5]?[0-9])+(?:\.[0-9_]*)?")
_LINE = re.compile(r"[^\n]*\n|[^\n]+")
_PLAIN_KEY = re.compile(r"[^\W](?:[\w./-]*\w)?")


def to_kyaml(document: Mapping[str, Any]) -> str:
    """One document, introduced by `---`."""
    return f"---\n{_written(document, 0)}\n"


def _written(value: Any, depth: int) -> str:
    """What stands at `depth`; its first line has no indentation, for that is there already."""
    if isinstance(value, Mapping):
        lines = (f"{_INDENT * (depth + 1)}{_key(key)}: {_written(held, depth + 1)},\n" for key, held in value.items())
        return f"{{\n{''.join(lines)}{_INDENT * depth}}}" if value else "{}"
    if isinstance(value, str):
        return _lines(value, depth + 1) if "\n" in value else f'"{_escaped(value)}"'
    if isinstance(value, Sequence):
        return _sequence(value, depth)
    return to_json(value)


def _sequence(value: Sequence[Any], depth: int) -> str:
    if all(isinstance(held, Mapping | list | tuple) for held in value):
        return f"[{', '.join(_written(held, depth) for held in value)}]"
    lines = (f"{_INDENT * (depth + 1)}{_written(held, depth + 1)},\n" for held in value)
    return f"[\n{''.join(lines)}{_INDENT * depth}]"


def _lines(text: str, depth: int) -> str:
    """A text of several lines has a line for each; a backslash before its first blank keeps that."""
    indent, written = _INDENT * depth, []
    for line in _LINE.findall(text):
        kept = "\\" if line[0] in " \t" else " "
        escaped = _escaped(line).replace("\n", "\\n")
        written.append(f"{indent}{kept}{escaped}")
    return f'"{_FOLD}{_FOLD.join(written)}{_FOLD}{indent}"'


def _escaped(text: str) -> str:
    return "".join(_ESCAPES.get(char) or _printable(char) for char in text)


def _printable(char: str) -> str:
    if char in "\t\n" or char.isprintable():
        return char
    code = ord(char)
    if code < 0x20 or code == 0x7F:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def _key(key: str) -> str:
    if _PLAIN_KEY.fullmatch(key) and not _ambiguous(key):
        return key
    escaped = _escaped(key).replace("\t", "\\t").replace("\n", "\\n")
    return f'"{escaped}"'


def _ambiguous(key: str) -> bool:
    return (
        key.lower() in _WORDS
        or is_timestamp(key)
        or any(pattern.fullmatch(text) for pattern, text in ((_NUMBER, key.replace("_", "")), (_BASE_60, key)))
    )
