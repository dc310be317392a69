"""Strategic merge patch, as kubectl and kubeadm apply it (k8s.io/apimachinery: pkg/util/strategicpatch; its rules:
https://github.com/kubernetes/community/blob/master/contributors/devel/sig-api-machinery/strategic-merge-patch.md).

Like a JSON merge patch, but lists that have a merge key (containers by name, ports by containerPort, …) are merged entry by
entry, and directives say more than that: `$patch: delete|replace`, `$retainKeys`, `$deleteFromPrimitiveList/FIELD` and
`$setElementOrder/FIELD`. Which lists have a key stands in `util.api_types`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pykubeadm.patches.refusal import Path, RefusalError
from pykubeadm.util.api_types import Field, fields, is_struct

Object = dict[str, Any]

_PATCH = "$patch"
_RETAIN_KEYS = "$retainKeys"
_DELETE = "$deleteFromPrimitiveList"
_ORDER = "$setElementOrder"


def strategic_merge(kind: str, original: Mapping[str, Any], patch: Mapping[str, Any]) -> Object:
    """`original`, an object of this kind, with `patch` merged into it. Neither is changed. Raises RefusalError."""
    return _merge_objects(original, patch, kind, ())


def _merge_objects(original: Mapping[str, Any], patch: Mapping[str, Any], type_: str, path: Path) -> Object:
    if _PATCH in patch:
        if patch[_PATCH] == "replace":
            return {name: value for name, value in patch.items() if name != _PATCH}
        if patch[_PATCH] == "delete":
            return {}
        raise RefusalError((*path, _PATCH), 'the directive must be "delete" or "replace"')
    result, rest = _retained(original, patch, path), {name: value for name, value in patch.items() if name != _RETAIN_KEYS}
    for name in [name for name in rest if name.startswith(_ORDER)]:
        _apply_order(result, rest, name, type_, path)
    for name, value in rest.items():
        _merge_member(result, name, value, type_, path)
    return result


def _retained(original: Mapping[str, Any], patch: Mapping[str, Any], path: Path) -> Object:
    """What `$retainKeys` leaves of the original; all of it where the directive is not given."""
    if _RETAIN_KEYS not in patch:
        return dict(original)
    kept = patch[_RETAIN_KEYS]
    if not isinstance(kept, list):
        raise RefusalError((*path, _RETAIN_KEYS), "the directive takes a list of field names")
    for name, value in patch.items():
        if value is not None and name not in kept and name != _RETAIN_KEYS and not name.startswith((_DELETE, _ORDER)):
            raise RefusalError((*path, name), f"is set by the patch but is not in its {_RETAIN_KEYS}")
    return {name: value for name, value in original.items() if name in kept}


def _merge_member(result: Object, name: str, value: Any, type_: str, path: Path) -> None:
    place = (*path, name)
    if name.startswith(_DELETE):
        _delete_from_list(result, name, value, place)
    elif value is None:
        result.pop(name, None)
    elif isinstance(value, Mapping) and isinstance(result.get(name), Mapping):
        result[name] = _merge_objects(result[name], value, _field(type_, name, place).type.removeprefix("*"), place)
    elif isinstance(value, list) and isinstance(result.get(name), list):
        field = _field(type_, name, place)
        result[name] = _merge_lists(result[name], value, field, place) if field.merge else value
    else:
        keep, plain = _without_directives(_without_nulls(value))
        if keep:
            result[name] = plain
        else:
            result.pop(name, None)


def _field(type_: str, name: str, path: Path) -> Field:
    if not is_struct(type_):
        raise RefusalError(path, f"cannot be merged: the entries of {type_} are not objects")
    known = fields(type_)
    if name not in known:
        raise RefusalError(path, f'unknown field "{name}" in {type_}')
    return known[name]


def _target(name: str, path: Path) -> str:
    """The field that a directive is for: "finalizers" in "$deleteFromPrimitiveList/finalizers"."""
    directive, slash, field = name.partition("/")
    if not slash or directive not in (_DELETE, _ORDER):
        raise RefusalError(path, f"a directive for a list is written {_DELETE}/FIELD or {_ORDER}/FIELD")
    return field


def _delete_from_list(result: Object, name: str, value: Any, path: Path) -> None:
    field = _target(name, path)
    if value is None:
        result.pop(field, None)
        return
    if not isinstance(value, list):
        raise RefusalError(path, "the directive takes a list of values")
    if isinstance(result.get(field), list):
        if any(isinstance(item, Mapping | list) for item in (*result[field], *value)):
            raise RefusalError(path, "the directive is for lists of plain values; objects are removed with $patch: delete")
        result[field] = [item for item in result[field] if not _contains(value, item)]


def _apply_order(result: Object, patch: Object, name: str, type_: str, path: Path) -> None:
    """Merge the list that a `$setElementOrder` is for and order it; takes both out of the patch."""
    place = (*path, name)
    order = patch.pop(name)
    field_name = _target(name, place)
    field = _field(type_, field_name, place)
    if not isinstance(order, list):
        raise RefusalError(place, "the directive takes a list")
    for holder in (result, patch):
        if not isinstance(holder.get(field_name, []), list):
            raise RefusalError((*path, field_name), f"is not a list, but {_ORDER} is given for it")
    original, changes = result.get(field_name), patch.pop(field_name, None)
    if field.merge_key:
        _require_keys(order, field.merge_key, place)
    if original is None and changes is None:
        return
    _require_order(changes or [], order, field.merge_key, place)
    if original is None:
        merged = _without_directives(changes)[1]
    elif changes is None:
        merged = original
    else:
        merged = _merge_lists(original, changes, field, (*path, field_name)) if field.merge else changes
    result[field_name] = _in_order(merged, order, original or [], field.merge_key)


def _require_order(changes: Sequence[Any], order: Sequence[Any], key: str, path: Path) -> None:
    wanted = [_identity(item, key) for item in order]
    at = 0
    for item in changes:
        if isinstance(item, Mapping) and _PATCH in item:
            continue
        identity = _identity(item, key)
        if order and not _contains(wanted[at:], identity):
            raise RefusalError(path, f"the patch's list has {identity!r}, which is missing here or stands elsewhere")
        at = next((index for index in range(at, len(wanted)) if _same(wanted[index], identity)), at - 1) + 1


def _merge_lists(original: list[Any], patch: list[Any], field: Field, path: Path) -> list[Any]:
    items = [*original, *patch]
    if not items:
        return original
    if any(isinstance(item, list) for item in items):
        raise RefusalError(path, "lists of lists cannot be merged")
    if len({_json_type(item) for item in items}) > 1:
        raise RefusalError(path, "the entries are not all of one kind, so that the lists cannot be merged")
    if not isinstance(items[0], Mapping):
        merged = [item for index, item in enumerate(items) if not _contains(items[:index], item)]
        return _in_order(merged, patch, original, "")
    if not field.merge_key:
        raise RefusalError(path, "the list has no merge key")
    return _merge_keyed(original, patch, field, path)


def _merge_keyed(original: list[Any], patch: list[Any], field: Field, path: Path) -> list[Any]:
    key, type_ = field.merge_key, field.type.removeprefix("*").removeprefix("[]")
    _require_keys([item for item in patch if item.get(_PATCH) != "replace"], key, path)
    _require_keys(original, key, path)
    changes = []
    replace = False
    for index, item in enumerate(patch):
        if _PATCH not in item:
            changes.append(item)
        elif item[_PATCH] == "delete":
            original = [entry for entry in original if not _same(entry[key], item[key])]
        elif item[_PATCH] == "replace":
            replace = True
        else:
            raise RefusalError((*path, index, _PATCH), 'the directive must be "delete" or "replace"')
    if replace:
        return changes
    merged = list(original)
    for item in changes:
        at = next((index for index, entry in enumerate(merged) if _same(entry[key], item[key])), None)
        if at is None:
            merged.append(item)
        else:
            merged[at] = _merge_objects(merged[at], item, type_, (*path, patch.index(item)))
    return _in_order(merged, changes, original, key)


def _require_keys(items: Sequence[Any], key: str, path: Path) -> None:
    for index, item in enumerate(items):
        if not isinstance(item, Mapping) or key not in item:
            raise RefusalError((*path, index), f'has no "{key}", by which the entries of this list are distinguished')


def _in_order(merged: Sequence[Any], order: Sequence[Any], original: Sequence[Any], key: str) -> list[Any]:
    """Entries named in `order` in that order, the others in that of the original; the two woven together as the original
    has them, with new entries as far to the front as that allows."""
    wanted = [_identity(item, key) for item in order]
    before = [_identity(item, key) for item in original]
    named = sorted(
        (item for item in merged if _contains(wanted, _identity(item, key))), key=lambda item: _index(wanted, item, key)
    )
    others = sorted(
        (item for item in merged if not _contains(wanted, _identity(item, key))), key=lambda item: _index(before, item, key)
    )
    woven = []
    while named and others:
        left, right = _index(before, others[0], key), _index(before, named[0], key)
        woven.append((others if 0 <= left < right else named).pop(0))
    return woven + named + others


def _index(identities: Sequence[Any], item: Any, key: str) -> int:
    identity = _identity(item, key)
    return next((index for index, other in enumerate(identities) if _same(other, identity)), -1)


def _identity(item: Any, key: str) -> Any:
    return item.get(key) if key and isinstance(item, Mapping) else item


def _json_type(value: Any) -> str:
    if isinstance(value, Mapping):
        return "object"
    return "number" if isinstance(value, float) else type(value).__name__


def _same(left: Any, right: Any) -> bool:
    """Equal as JSON: true is not 1."""
    return _json_type(left) == _json_type(right) and bool(left == right)


def _contains(values: Sequence[Any], value: Any) -> bool:
    return any(_same(other, value) for other in values)


def _without_nulls(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _without_nulls(item) for name, item in value.items() if item is not None}
    return [_without_nulls(item) for item in value] if isinstance(value, list) else value


def _without_directives(value: Any) -> tuple[bool, Any]:
    """Whether a new value is kept at all (an object with `$patch` is not), and the value without such objects."""
    if isinstance(value, Mapping):
        if _PATCH in value:
            return False, None
        pairs = {name: _without_directives(item) for name, item in value.items()}
        return True, {name: item for name, (keep, item) in pairs.items() if keep}
    if isinstance(value, list):
        return True, [item for keep, item in map(_without_directives, value) if keep]
    return True, value
