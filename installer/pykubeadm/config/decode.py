"""A document's plain data → its frozen model. Wrong types and unknown fields become Problems with the place of the value.

After a wrong value is reported, Go's zero value stands in for it, so that the rest of the document is still checked. null
is no wrong value: it leaves a field, or an item of a list, at its zero value, as it does in Go.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar, get_args

from pydantic import ValidationError

from pykubeadm.config.model import Model
from pykubeadm.config.source import Document, Path
from pykubeadm.errors import Problem

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

M = TypeVar("M", bound=Model)

_ZERO: dict[str, Callable[[], object]] = {"string": str, "int": int, "bool": bool, "tuple": tuple, "dict": dict, "model": dict}
_WANTED = {
    "string": "text (put it in quotes)",
    "int": "a whole number without quotes",
    "bool": "true or false without quotes",
    "tuple": "a list",
    "dict": "a mapping",
    "model": "a mapping",
    "time_delta": 'a duration in quotes such as "5m0s"',
}


_SECRETS = ("token", "tlsBootstrapToken", "certificateKey")  # their values are not repeated


def decode(model: type[M], document: Document) -> tuple[M, list[Problem], frozenset[Path]]:
    """The model, the problems of its shape, and the paths that hold a stand-in and need no further check."""
    data: dict[str, Any] = _copy({key: value for key, value in document.data.items() if key not in ("apiVersion", "kind")})
    problems: list[Problem] = []
    broken: set[Path] = set()
    while True:
        try:
            return model.model_validate(_tuples(data), by_alias=True, by_name=False), problems, frozenset(broken)
        except ValidationError as failure:
            for error in failure.errors(include_url=False):
                path: Path = error["loc"]
                if error["input"] is None and error["type"] != "extra_forbidden":
                    _replace(data, path, error["type"])
                    continue
                tell = document.key_problem if error["type"] == "extra_forbidden" else document.problem
                problems.append(tell(path, _sentence(error, model, path)))
                broken.add(path)
                _replace(data, path, error["type"])


def without_nulls(value: Any) -> Any:
    """`value` without the fields that are null, which in Go are as if they were not there."""
    if isinstance(value, Mapping):
        return {key: without_nulls(item) for key, item in value.items() if item is not None}
    if isinstance(value, list):
        return [without_nulls(item) for item in value]
    return value


def _copy(value: Any) -> Any:
    if isinstance(value, list):
        return [_copy(item) for item in value]
    return {key: _copy(item) for key, item in value.items()} if isinstance(value, dict) else value


def _tuples(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _tuples(item) for key, item in value.items()}
    return tuple(_tuples(item) for item in value) if isinstance(value, list) else value


def _replace(data: Any, path: Path, kind: str) -> None:
    for part in path[:-1]:
        data = data[part]
    zero = _ZERO.get(kind.removesuffix("_type"))
    if zero and (isinstance(path[-1], int) or path[:-1] == ("featureGates",)):
        data[path[-1]] = zero()
    else:
        del data[path[-1]]  # the field's default stands in


def _sentence(error: ErrorDetails, model: type[Model], path: Path) -> str:
    kind, value = error["type"], error["input"]
    if kind == "extra_forbidden":
        return unknown_field(str(path[-1]), _fields(model, path[:-1]))
    if kind == "value_error":
        return str(error["ctx"]["error"])
    found = "what stands here" if path[-1] in _SECRETS else describe(value)
    wanted = _WANTED.get(kind.removesuffix("_type"), "")
    return f"must be {wanted}, not {found}" if wanted else f"cannot be {found}"


def unknown_field(name: str, known: list[str]) -> str:
    """The sentence for a field that does not exist, with the one that was probably meant."""
    near = difflib.get_close_matches(name.lower(), [field.lower() for field in known], 1, 0.75)
    meant = next((field for field in known if near and field.lower() == near[0]), "")
    if meant:
        return f'there is no such field; did you mean "{meant}"?'
    return "there is no such field" + (f"; the fields here are {', '.join(sorted(known))}" if known else "")


def _fields(model: type[Model], path: Path) -> list[str]:
    """The names of the fields at `path`, as the file writes them."""
    current: Any = model
    for part in path:
        if isinstance(part, str):
            info = next((info for info in current.model_fields.values() if info.alias == part), None)
            if info is None:
                return []
            current = info.annotation
        while not (isinstance(current, type) and issubclass(current, Model)):
            inner = next((arg for arg in get_args(current) if arg not in (type(None), Ellipsis)), None)
            if inner is None:
                return []
            current = inner
    return [info.alias or name for name, info in current.model_fields.items() if name not in ("api_version", "kind")]


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
