"""A document's plain data → its frozen model. Wrong types and unknown fields become Problems with the place of the value.

After a wrong value is reported, Go's zero value stands in for it, so that the rest of the document is still checked. null
is not a wrong value: it leaves a field, or an item of a list, at its zero value, as it does in Go.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import field, fields
from datetime import timedelta
from types import UnionType
from typing import Any, TypeVar, get_args, get_origin

from pykubeadm.config.model import Model, field_alias
from pykubeadm.config.source import Document, Path
from pykubeadm.errors import Problem
from pykubeadm.util.dataclass import dataclass
from pykubeadm.util.duration import parse_duration

M = TypeVar("M", bound=Model)

_WANTED: dict[type, str] = {
    str: "text (put it in quotes)",
    int: "a whole number without quotes",
    bool: "true or false without quotes",
    tuple: "a list",
    Mapping: "a mapping",
    timedelta: 'a duration in quotes such as "5m0s"',
}
_PLAIN: dict[type, type] = {tuple: list, Mapping: dict}  # what the file's reader makes of them
_SECRETS = ("token", "tlsBootstrapToken", "certificateKey")  # their values are not repeated


def decode(model: type[M], document: Document) -> tuple[M, list[Problem], frozenset[Path]]:
    """The model, the problems of its shape, and the paths that hold a stand-in and need no further check."""
    decoding = _Decoding(document)
    found = decoding.model(model, {key: value for key, value in document.data.items() if key not in ("apiVersion", "kind")}, ())
    return found, decoding.problems, frozenset(decoding.broken)


class _WrongError(Exception):
    """The value is reported; a zero value has to stand in."""


@dataclass(slots=True)
class _Decoding:
    document: Document
    problems: list[Problem] = field(default_factory=list)
    broken: set[Path] = field(default_factory=set)

    def model(self, model: type[M], data: Mapping[str, Any], path: Path) -> M:
        known = {field_alias(of.name): of for of in fields(model)}
        found: dict[str, Any] = {}
        for key, value in data.items():
            if key not in known:
                self._wrong((*path, key), unknown_field(key, list(known)), at_key=True)
            elif value is not None:
                try:
                    found[known[key].name] = self._value(known[key].type, value, (*path, key))
                except _WrongError:
                    continue  # the field's default stands in
        return model(**found)

    def _value(self, kind: Any, value: Any, path: Path) -> Any:
        """`value` as a field of this type holds it. Raises _WrongError where it cannot be."""
        if isinstance(kind, UnionType):  # "or None", which the field's default says
            kind = get_args(kind)[0]
        shape = get_origin(kind) or kind
        if issubclass(shape, Model):
            return self.model(shape, self._checked(Mapping, value, path), path)
        if shape is tuple:
            return tuple(
                self._item(get_args(kind)[0], item, (*path, at)) for at, item in enumerate(self._checked(tuple, value, path))
            )
        if shape is Mapping:
            of = get_args(kind)[1]
            items = self._checked(Mapping, value, path).items()
            return {key: item if of is Any else self._item(of, item, (*path, key)) for key, item in items}
        if shape is timedelta and isinstance(value, str):
            try:
                return parse_duration(value)
            except ValueError as error:
                self._wrong(path, str(error))
                raise _WrongError from None
        return self._checked(shape, value, path)

    def _item(self, kind: Any, value: Any, path: Path) -> Any:
        zero: Any = {} if issubclass(kind, Model) else kind()
        try:
            return self._value(kind, zero if value is None else value, path)
        except _WrongError:
            return self._value(kind, zero, path)

    def _checked(self, shape: type, value: Any, path: Path) -> Any:
        if type(value) is _PLAIN.get(shape, shape) and not (isinstance(value, int) and not -(2**63) <= value < 2**63):
            return value
        found = "what stands here" if path[-1] in _SECRETS else describe(value)
        self._wrong(path, f"must be {_WANTED[shape]}, not {found}")
        raise _WrongError

    def _wrong(self, path: Path, sentence: str, *, at_key: bool = False) -> None:
        problem = self.document.key_problem if at_key else self.document.problem
        self.problems.append(problem(path, sentence))
        self.broken.add(path)


def without_nulls(value: Any) -> Any:
    """`value` without the fields that are null, which in Go are as if they were not there."""
    if isinstance(value, Mapping):
        return {key: without_nulls(item) for key, item in value.items() if item is not None}
    if isinstance(value, list):
        return [without_nulls(item) for item in value]
    return value


def unknown_field(name: str, known: list[str]) -> str:
    """The sentence for a field that does not exist, with the one that was probably meant."""
    near = difflib.get_close_matches(name.lower(), [field.lower() for field in known], 1, 0.75)
    meant = next((field for field in known if near and field.lower() == near[0]), "")
    if meant:
        return f'there is no such field; did you mean "{meant}"?'
    return "there is no such field" + (f"; the fields here are {', '.join(sorted(known))}" if known else "")


def describe(value: object) -> str:
    """A value for a sentence: its kind, and the value itself where it is short."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return f"the number {value}"
    if isinstance(value, str):
        return f'the text "{value}"' if len(value) < 60 else "text"
    if isinstance(value, dict):
        return "a mapping"
    return "nothing (null)" if value is None else "a list"
