"""JSON patch (RFC 6902) as kubeadm applies it (gopkg.in/evanphx/json-patch.v4), which takes more than the RFC has: `replace`
also sets a member that is not there yet, a negative index counts from the end, and a value that is not given is null."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from copy import deepcopy
from typing import Any

from pykubeadm.patches.refusal import RefusalError

_OPERATIONS = ("add", "remove", "replace", "move", "copy", "test")
_INDEX = re.compile(r"[-+]?[0-9]+")


def json_patch(document: Mapping[str, Any], operations: Sequence[Any]) -> Any:
    """`document` after the operations. Neither is changed. Raises RefusalError with the place of the one that fails."""
    result: Any = deepcopy(document)
    for index, operation in enumerate(operations):
        if not isinstance(operation, Mapping):
            raise RefusalError((index,), "an operation is a mapping such as {op: add, path: /metadata/labels/team, value: infra}")
        try:
            result = _applied(result, operation)
        except ValueError as error:
            what = f"{operation.get('op')} {operation.get('path')}"
            raise RefusalError((index,), f"the operation {what} cannot be applied: {error}") from None
    return result


def _applied(document: Any, operation: Mapping[str, Any]) -> Any:
    """The document, which may be changed, after one operation; ValueError says why it cannot be applied."""
    kind, path, value = operation.get("op"), operation.get("path"), deepcopy(operation.get("value"))
    if kind not in _OPERATIONS:
        raise ValueError(f"op is one of {', '.join(_OPERATIONS)}")
    if kind in ("move", "copy"):
        source, source_key = _place(document, operation.get("from"))
        value = deepcopy(_get(source, source_key))
        if kind == "move":
            _remove(source, source_key)
    if path == "" and kind == "replace":
        return value
    if path == "" and kind == "test":
        _require_equal(document, value)
        return document
    container, key = _place(document, path)
    if kind == "test":
        _require_equal(_get(container, key), value)
    elif kind == "remove":
        _remove(container, key)
    elif kind == "replace":
        _replace(container, key, value)
    else:
        _add(container, key, value)
    return document


def _place(document: Any, pointer: object) -> tuple[Any, str]:
    """The mapping or list that a JSON pointer leads into, and the last part of the pointer."""
    if not isinstance(pointer, str) or "/" not in pointer:
        raise ValueError("path, and from of a move or copy, are written like /metadata/labels/team")
    *parents, key = [part.replace("~1", "/").replace("~0", "~") for part in pointer.split("/")[1:]]
    for parent in parents:
        document = _get(document, parent)
        if not isinstance(document, dict | list):
            raise ValueError(f'there is no mapping or list at "{parent}"')  # noqa: TRY004 - the text is wrong, not a type
    return document, key


def _get(container: Any, key: str) -> Any:
    return container.get(key) if isinstance(container, dict) else container[_index(key, len(container))]


def _add(container: Any, key: str, value: Any) -> None:
    if isinstance(container, dict):
        container[key] = value
    elif key == "-":
        container.append(value)
    else:
        container.insert(_index(key, len(container) + 1), value)


def _replace(container: Any, key: str, value: Any) -> None:
    container[key if isinstance(container, dict) else _index(key, len(container))] = value


def _remove(container: Any, key: str) -> None:
    if isinstance(container, dict) and key not in container:
        raise ValueError(f'there is no "{key}"')
    del container[key if isinstance(container, dict) else _index(key, len(container))]


def _index(text: str, length: int) -> int:
    if not _INDEX.fullmatch(text):
        raise ValueError(f'"{text}" is not an index of a list')
    index = int(text)
    if not -length <= index < length:
        raise ValueError(f"the list has no place {index}")
    return index % length


def _require_equal(value: Any, wanted: Any) -> None:
    """Equal as JSON: true is not 1."""
    if json.dumps(value, sort_keys=True) != json.dumps(wanted, sort_keys=True):
        raise ValueError(f"the value is {json.dumps(value)}")
