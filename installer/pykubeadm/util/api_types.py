"""The fields of the API objects that pykubeadm completes or patches: Pod, Deployment, DaemonSet, Kubelet- and
KubeProxyConfiguration.

`api_types.json` holds them for Kubernetes 1.36: a table of structs, each with its fields, each field as
"TYPE [omitempty] [omitzero] [strategy=…] [key=…]". TYPE is a struct's name, a scalar (bool, string, int32, float64, Duration,
Quantity, IntOrString, Time, …), `*TYPE` where unset and zero differ, `[]TYPE`, or `map TYPE`. `strategy` and `key` are
what a strategic merge patch goes by (sig-api-machinery/strategic-merge-patch.md).
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from pykubeadm.util.dataclass import dataclass
from pykubeadm.util.duration import format_duration, parse_duration
from pykubeadm.util.quantity import canonical_quantity
from pykubeadm.util.timestamp import parse_timestamp

_INTEGERS = {
    "int": (-(2**63), 2**63 - 1),
    "int32": (-(2**31), 2**31 - 1),
    "int64": (-(2**63), 2**63 - 1),
    "uint32": (0, 2**32 - 1),
    "uint64": (0, 2**64 - 1),
    "uint8": (0, 255),
}
_FLOATS = {"float32": 3.4028235677973366e38, "float64": math.inf}  # what no longer rounds to one
_ZERO: Mapping[str, Any] = {
    "bool": False,
    "string": "",
    "float32": 0,
    "float64": 0,
    "Duration": "0s",
    "TimeOrMetaDuration": 0,
    "Quantity": "0",
    "QuantityValue": "0",
    "IntOrString": 0,
}


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a struct. `merge_key` is "" for lists that are not merged by a key."""

    type: str
    omit_empty: bool
    omit_zero: bool
    merge: bool
    merge_key: str


@dataclass(frozen=True, slots=True)
class Misfit:
    """A value that does not fit its type. `path` leads to it: field names and list indices. `unknown`: the type does not
    have such a field."""

    path: tuple[str | int, ...]
    sentence: str
    unknown: bool = False


@cache
def _table() -> dict[str, dict[str, str]]:
    table: dict[str, dict[str, str]] = json.loads(Path(__file__).with_name("api_types.json").read_text(encoding="utf-8"))
    return table


@cache
def fields(struct: str) -> Mapping[str, Field]:
    """The fields of a struct by name; empty for a type that is no struct (a scalar, a map)."""
    return {name: _field(text) for name, text in _table().get(struct, {}).items()}


def _field(text: str) -> Field:
    type_, *words = text.split(" ")
    if type_ == "map":
        type_ = f"map {words.pop(0)}"
    options = dict(word.partition("=")[::2] for word in words)
    strategies = options.get("strategy", "").split(",")
    return Field(
        type=type_,
        omit_empty="omitempty" in options,
        omit_zero="omitzero" in options,
        merge="merge" in strategies,
        merge_key=options.get("key", ""),
    )


def is_struct(type_: str) -> bool:
    return type_.removeprefix("*") in _table()


def misfits(type_: str, value: Any, path: tuple[str | int, ...] = ()) -> Iterator[Misfit]:
    """Everything in `value` that the type does not know or cannot hold, in the order of the document."""
    if value is None:
        if type_ == "Duration":  # the one type that null does not leave as it is: its reader wants text
            yield Misfit(path, "must be a duration in quotes, not null; leave the field out for its default")
        return
    type_ = type_.removeprefix("*")
    if type_.startswith("[]"):
        if isinstance(value, list):
            for index, item in enumerate(value):
                yield from misfits(type_[2:], item, (*path, index))
        else:
            yield Misfit(path, f"must be a list, not {_name(value)}")
    elif type_.startswith("map "):
        if isinstance(value, Mapping):
            for key, item in value.items():
                yield from misfits(type_[4:], item, (*path, str(key)))
        else:
            yield Misfit(path, f"must be a mapping, not {_name(value)}")
    elif type_ in _table():
        yield from _struct_misfits(type_, value, path)
    else:
        sentence = _scalar_misfit(type_, value)
        if sentence:
            yield Misfit(path, sentence)


def _struct_misfits(struct: str, value: Any, path: tuple[str | int, ...]) -> Iterator[Misfit]:
    if not isinstance(value, Mapping):
        yield Misfit(path, f"must be a mapping, not {_name(value)}")
        return
    known = fields(struct)
    for name, item in value.items():
        if name in known:
            yield from misfits(known[name].type, item, (*path, name))
        else:
            yield Misfit((*path, str(name)), f'unknown field "{name}" in {struct}', unknown=True)


def _name(value: Any) -> str:
    if isinstance(value, Mapping):
        return "a mapping"
    if isinstance(value, list):
        return "a list"
    return f"the text {json.dumps(value)}" if isinstance(value, str) else json.dumps(value, default=str)


def _scalar_misfit(type_: str, value: Any) -> str:
    if type_ in _INTEGERS:
        low, high = _INTEGERS[type_]
        if isinstance(value, bool) or not isinstance(value, int):
            return f"must be a whole number, not {_name(value)}"
        return "" if low <= value <= high else f"{value} is not between {low} and {high}"
    if type_ == "bool":
        return "" if isinstance(value, bool) else f"must be true or false, not {_name(value)}"
    if type_ in _FLOATS:
        if isinstance(value, bool) or not isinstance(value, int | float):
            return f"must be a number, not {_name(value)}"
        return "" if abs(value) < _FLOATS[type_] else f"{value} is beyond what a {type_} holds"
    if type_ in ("Quantity", "QuantityValue"):
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            return f"must be a quantity, not {_name(value)}"
        return _refusal(canonical_quantity, str(value))
    if type_ == "Duration":
        return _refusal(parse_duration, value) if isinstance(value, str) else f"must be a duration in quotes, not {_name(value)}"
    if type_ == "TimeOrMetaDuration" and isinstance(value, str):
        return _refusal(parse_duration, value)
    if type_ in ("IntOrString", "TimeOrMetaDuration"):
        if isinstance(value, bool) or not isinstance(value, int | str):
            return f"must be a whole number or text, not {_name(value)}"
        whole = "int32" if type_ == "IntOrString" else "int64"
        return _scalar_misfit(whole, value) if isinstance(value, int) else ""
    if type_ in ("string", "Time", "MicroTime", "bytes"):
        if type_ == "Time" and isinstance(value, str):
            return _refusal(parse_timestamp, value)
        return "" if isinstance(value, str) else f"must be text, not {_name(value)}"
    return ""


def _refusal(read: Any, text: str) -> str:
    try:
        read(text)
    except ValueError as error:
        return str(error)
    return ""


def canonical(type_: str, value: Any) -> Any:
    """`value` as Kubernetes prints it after reading it into the type: empty optional fields left out, fields that are always
    written filled with their zero value, durations and quantities in their usual form. Fields that the table does not know
    (those of a newer release) stay as they are.

    The value must fit: `misfits` yields nothing but unknown fields.
    """
    if type_.startswith("*"):
        return None if value is None else canonical(type_[1:], value)
    if type_.startswith("[]"):
        return None if value is None else [canonical(type_[2:], item) for item in value]
    if type_.startswith("map "):
        return None if value is None else {str(key): canonical(type_[4:], item) for key, item in value.items()}
    if type_ in _table():
        return _canonical_struct(type_, value or {})
    if value is None:
        return 0 if type_ in _INTEGERS else _ZERO.get(type_)
    if type_ in ("Quantity", "QuantityValue"):
        return canonical_quantity(str(value))
    if type_ == "Duration":
        return format_duration(parse_duration(value))
    if type_ == "TimeOrMetaDuration" and isinstance(value, str):
        return format_duration(parse_duration(value))
    return value


def _canonical_struct(struct: str, value: Mapping[str, Any]) -> dict[str, Any]:
    known, always = fields(struct), _always_written(struct)
    result = {name: item for name, item in value.items() if name not in known}
    for name, field in known.items():
        if name in value or name in always:
            item = canonical(field.type, value.get(name))
            if not _is_left_out(field, item):
                result[name] = item
    return result


@cache
def _always_written(struct: str) -> frozenset[str]:
    """The fields that a value without any has when it is printed: of the hundred of a Pod's, a handful."""
    return frozenset(name for name, field in fields(struct).items() if not _is_left_out(field, canonical(field.type, None)))


def _is_left_out(field: Field, item: Any) -> bool:
    return (field.omit_zero and item is None) or (field.omit_empty and _is_empty(field.type, item))


def _is_empty(type_: str, item: Any) -> bool:
    """Go's `omitempty`: false, 0, "", null and empty lists and maps are left out; structs and set pointers never are."""
    if type_.startswith("*") or type_ in _table() or (type_ in _ZERO and type_ not in ("bool", "string", *_FLOATS)):
        return item is None
    return item in (None, False, 0, "", [], {})
