"""Documents printed by kubectl's JSONPath; `jsonpath_syntax` says what there is of it."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from pykubeadm.output.go_text import printed, to_json
from pykubeadm.output.jsonpath_syntax import (
    Action,
    Descent,
    Field,
    Filter,
    Literal,
    Node,
    Part,
    Range,
    Slice,
    Text,
    Union,
    Wildcard,
)
from pykubeadm.output.refusal import TemplateError

_COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


def evaluate(template: Sequence[Part], document: Any, *, allow_missing: bool, as_json: bool = False) -> str:
    """The text for one document: what each action finds, between blanks, or with `as_json` as a list for each part.

    TemplateError where a list has no such index, or, but with `allow_missing`, an object no such field.
    """
    evaluation = _Evaluation(allow_missing=allow_missing)
    evaluation.parts(template, _as_floats(document))
    if as_json:
        return "".join(f"{to_json(results, 4)}\n" for results in evaluation.found)
    return "".join(" ".join(map(_text, results)) for results in evaluation.found)


def _as_floats(value: Any) -> Any:
    """Every number is a float there, as Go reads JSON, and 31535999 is printed as 3.1535999e+07."""
    if isinstance(value, Mapping):
        return {key: _as_floats(held) for key, held in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_as_floats(held) for held in value]
    return float(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _text(value: Any) -> str:
    if value is None:
        return "null"
    return to_json(value) if isinstance(value, Mapping | list) else printed(value)


class _Evaluation:
    def __init__(self, *, allow_missing: bool) -> None:
        self.found: list[list[Any]] = []
        self._allow_missing = allow_missing

    def parts(self, parts: Sequence[Part], value: Any) -> None:
        for part in parts:
            match part:
                case Text(text):
                    self.found.append([text])
                case Action(nodes):
                    self.found.append(self._walk(nodes, [value]))
                case Range(over, body):
                    for each in self._walk(over, [value]):
                        self.parts(body, each)

    def _walk(self, nodes: Sequence[Node], values: list[Any]) -> list[Any]:
        for node in nodes:
            values = self._step(node, values)
        return values

    def _step(self, node: Node, values: list[Any]) -> list[Any]:
        match node:
            case Text(text):
                return [text]
            case Literal(value):
                return [value for _ in values]
            case Field():
                return self._field(node, values)
            case Slice():
                return _sliced(node, values)
            case Wildcard():
                return [held for value in values for held in _held(value)]
            case Descent():
                return [held for value in values for held in _below(value)]
            case Union(parts):
                return [found for part in parts for found in self._walk(part, values)]
            case Filter():
                return [item for value in values for item in self._filtered(node, value)]

    def _field(self, node: Field, values: list[Any]) -> list[Any]:
        found = [value[node.name] for value in values if isinstance(value, Mapping) and node.name in value]
        if values and not found and not self._allow_missing:
            raise TemplateError(node.at, f'there is no field "{node.name}"')
        return found

    def _filtered(self, node: Filter, value: Any) -> list[Any]:
        if not isinstance(value, list):
            raise TemplateError(node.at, f"{_kind(value)} cannot be filtered, only a list")
        if not node.operator:
            lenient = _Evaluation(allow_missing=True)
            return [item for item in value if lenient._walk(node.left, [item])]
        return [item for item in value if self._passes(node, item)]

    def _passes(self, node: Filter, item: Any) -> bool:
        left, right = (self._walk(side, [item]) for side in (node.left, node.right))
        if not left or not right:
            return False
        if len(left) > 1 or len(right) > 1:
            raise TemplateError(node.at, "one side of the comparison is several values")
        one, other = left[0], right[0]
        if _comparable(one) != _comparable(other) or not _comparable(one):
            raise TemplateError(node.at, f"{_kind(one)} cannot be compared with {_kind(other)}")
        if isinstance(one, bool) and node.operator not in ("==", "!="):
            raise TemplateError(node.at, f'true and false have no order for "{node.operator}"')
        return _COMPARE[node.operator](one, other)


def _comparable(value: Any) -> type | None:
    """What it can be compared with. Whole numbers and others go together here, which kubectl refuses."""
    if isinstance(value, bool | str):
        return type(value)
    return float if isinstance(value, int | float) else None


def _kind(value: Any) -> str:
    if isinstance(value, str):
        return "a text"
    if isinstance(value, Mapping):
        return "an object"
    if isinstance(value, list):
        return "a list"
    return to_json(value) if value is None or isinstance(value, bool) else "a number"


def _held(value: Any) -> list[Any]:
    """What is within a value. An object's fields are in the order of their names, where Go has none; a text's are its bytes."""
    if isinstance(value, Mapping):
        return [value[key] for key in sorted(value)]
    if isinstance(value, str):
        return list(value.encode(errors="replace"))
    return value if isinstance(value, list) else []


def _below(value: Any) -> list[Any]:
    """The value and all that is within it, where something is."""
    held = _held(value)
    return [value, *(below for each in held for below in _below(each))] if held else []


def _sliced(node: Slice, values: list[Any]) -> list[Any]:
    found: list[Any] = []
    for value in values:
        if value is None:
            continue
        if not isinstance(value, list):
            raise TemplateError(node.at, f"{_kind(value)} has no indexes, only a list")
        length = len(value)
        start = node.start + (length if node.start < 0 else 0)
        end = length if node.end is None else node.end
        if end < 0 or (end == 0 and node.single):
            end += length
        if start == end:
            return found
        if not 0 <= start < length or not 0 <= end <= length:
            outside = start if not 0 <= start < length else end - 1
            raise TemplateError(node.at, f"the index {outside} is outside of a list of {length}")
        if start > end:
            raise TemplateError(node.at, f"the slice begins at {start} and ends before it, at {end}")
        found += value[start : end : node.step]
    return found
