"""Applies patches to a document."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pykubeadm.errors import ConfigError, Problem
from pykubeadm.patches.files import TARGETS, Patch
from pykubeadm.patches.json_patch import json_patch
from pykubeadm.patches.merge import merge_patch
from pykubeadm.patches.refusal import Path, RefusalError
from pykubeadm.patches.strategic import strategic_merge
from pykubeadm.util.api_types import canonical, misfits
from pykubeadm.util.kube_object import plain_copy


def apply_patches(target: str, document: Mapping[str, Any], patches: Sequence[Patch]) -> dict[str, Any]:
    """The document with those patches applied, in order, that are for this target.

    A static pod comes out as Kubernetes prints it. Raises ConfigError, with file and line, where a patch cannot be applied,
    and where the result does not fit its type; a field that is unknown is an error in static pods only.
    """
    result: dict[str, Any] = plain_copy(dict(document))
    wanted = [patch for patch in patches if patch.target == target]
    for patch in wanted:
        try:
            result = _patched(target, result, patch)
        except RefusalError as refusal:
            raise ConfigError([patch.value.problem(refusal.path, refusal.sentence)]) from None
    if not wanted:
        return result
    kind = TARGETS[target]
    # kubeadm reads a pod back, without fields it does not know; the others it writes as they come out of the patch.
    problems = [
        _blame(misfit.path, misfit.sentence, wanted) for misfit in misfits(kind, result) if kind == "Pod" or not misfit.unknown
    ]
    if kind == "Pod":
        problems += [
            _blame((name,), f"must stay {document[name]}, or the kubelet could not read it", wanted)
            for name in ("apiVersion", "kind")
            if result.get(name) != document[name]
        ]
    if problems:
        raise ConfigError(problems)
    return dict(canonical(kind, result)) if kind == "Pod" else result


def _patched(target: str, document: dict[str, Any], patch: Patch) -> dict[str, Any]:
    data = patch.value.data
    if patch.type == "strategic":
        merged: dict[str, Any] = _without_directives(strategic_merge(TARGETS[target], document, data))
        return merged
    result = merge_patch(document, data) if patch.type == "merge" else json_patch(document, data)
    if not isinstance(result, dict):
        raise RefusalError((), "leaves no object of the document")
    return result


def _without_directives(value: Any) -> Any:
    """A new entry of a list comes in with the directives it has inside; they have nothing to say there."""
    if isinstance(value, dict):
        return {name: _without_directives(item) for name, item in value.items() if not name.startswith("$")}
    if isinstance(value, list):
        return [_without_directives(item) for item in value if not _is_directive(item)]
    return value


def _is_directive(item: Any) -> bool:
    return isinstance(item, dict) and list(item) == ["$patch"]


def _blame(path: Path, sentence: str, patches: Sequence[Patch]) -> Problem:
    """The problem at the last patch that sets this place, as far as that is known, else at the last patch."""
    for patch in reversed(patches):
        for place in _places(patch, path):
            return patch.value.problem(place, sentence)
    return patches[-1].value.problem((), f"{'.'.join(map(str, path))}: {sentence}")


def _places(patch: Patch, path: Path) -> Iterator[Path]:
    """Where in the patch the value at `path` of the patched document may come from: the same field names, any indices."""
    names = [part for part in path if isinstance(part, str)]
    for place in sorted(patch.value.positions, key=len, reverse=True):
        if place and [part for part in place if isinstance(part, str)] == names:
            yield place
    pointer = "/" + "/".join(str(part).replace("~", "~0").replace("/", "~1") for part in path)
    for place, value in ((place, _at(patch.value.data, place)) for place in patch.value.positions if place[-1:] == ("path",)):
        if isinstance(value, str) and pointer.startswith(value.removesuffix("/-")):
            yield (*place[:-1], "value")


def _at(data: Any, path: Path) -> Any:
    for part in path:
        data = data[part]
    return data
