"""Three-way merge of plain documents: what we wrote once, what became of it in the user's hands, what we would write today.

Where only one side changed something, that side's value is taken; where both did, and not to the same, it is a conflict. Lists
whose entries have names are merged entry by entry, command lines flag by flag, other lists by what was added and removed.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from pykubeadm.util.dataclass import dataclass

Path = tuple[str, ...]
_Decide = Callable[[Path, Any, Any, Any], Any]  # what counts at a conflict: its path, base, live, wanted → the value

# What distinguishes the entries of a list, where all of them have it and no two the same.
_KEYS: Final = ("name", "mountPath", "devicePath", "port", "ip", "uid")
# What API servers fill in where it is left out (Kubernetes: pkg/apis/{core,apps}/v1/defaults.go), by the name of the field.
_SERVED: Final[Mapping[str, tuple[Any, ...]]] = {
    "apiVersion": ("v1",),
    "defaultMode": (420,),
    "dnsPolicy": ("ClusterFirst",),
    "failureThreshold": (3,),
    "imagePullPolicy": ("IfNotPresent",),
    "internalTrafficPolicy": ("Cluster",),
    "maxSurge": (0, "25%"),
    "maxUnavailable": (1, "25%"),
    "periodSeconds": (10,),
    "progressDeadlineSeconds": (600,),
    "protocol": ("TCP",),
    "resources": ({},),
    "restartPolicy": ("Always",),
    "revisionHistoryLimit": (10,),
    "schedulerName": ("default-scheduler",),
    "scheme": ("HTTP",),
    "securityContext": ({},),
    "sessionAffinity": ("None",),
    "successThreshold": (1,),
    "terminationGracePeriodSeconds": (30,),
    "terminationMessagePath": ("/dev/termination-log",),
    "terminationMessagePolicy": ("File",),
    "timeoutSeconds": (1,),
    "type": ("", "ClusterIP", "RollingUpdate"),
}


class _Absent:
    """No value: the field or entry is not there."""


ABSENT: Final = _Absent()


@dataclass(frozen=True, slots=True)
class Conflict:
    """A place that both sides changed. Values are ABSENT where a side does not have it."""

    path: Path
    ours: Any  # what we wrote once
    theirs: Any  # the user's
    wanted: Any  # what we would write today

    def __str__(self) -> str:
        return (
            f"{'.'.join(self.path)}: was {_shown(self.ours)}, is {_shown(self.theirs)} by a change of yours,"
            f" would become {_shown(self.wanted)}"
        )


@dataclass(frozen=True, slots=True)
class Merged:
    """The merged value; at a conflict it has the user's."""

    value: Any
    conflicts: tuple[Conflict, ...] = ()


def three_way(base: Any, live: Any, wanted: Any) -> Merged:
    """`live` with what differs between `base` and `wanted` put over it. None of them is changed."""
    conflicts: list[Conflict] = []

    def keep(path: Path, ours: Any, theirs: Any, other: Any) -> Any:
        conflicts.append(Conflict(path, ours, theirs, other))
        return theirs

    return Merged(_merge(base, live, wanted, (), keep), tuple(conflicts))


def put_over(base: Any, live: Any, wanted: Any) -> Any:
    """As `three_way`, but where both sides changed something, `wanted` counts."""
    return _merge(base, live, wanted, (), lambda _path, _ours, _theirs, other: other)


def without_served(base: Any, live: Any) -> Any:
    """An object as a cluster has it without what its API server filled in where `base`, what we wrote, says nothing: that is no
    change of the user's."""
    if isinstance(live, Mapping):
        known = base if isinstance(base, Mapping) else {}
        return {
            name: without_served(known.get(name), value)
            for name, value in live.items()
            if name in known or not _is_served(name, value, live)
        }
    if isinstance(live, list):
        ours = base if isinstance(base, list) else []
        key = _key(live, ours)
        by_key = {entry[key]: entry for entry in ours} if key else {}
        return [
            without_served(by_key.get(entry[key]) if key else ours[index] if index < len(ours) else None, entry)
            for index, entry in enumerate(live)
        ]
    return live


def _is_served(name: str, value: Any, holder: Mapping[str, Any]) -> bool:
    if name == "serviceAccount":  # the old name of the field, kept for old clients
        return bool(value == holder.get("serviceAccountName"))
    return any(_same(value, served) for served in _SERVED.get(name, ()))


def _merge(base: Any, live: Any, wanted: Any, path: Path, decide: _Decide) -> Any:
    if _same(wanted, base) or _same(live, wanted):
        return live
    if _same(live, base):
        return wanted
    if isinstance(live, Mapping) and isinstance(wanted, Mapping):
        return _merge_maps(base if isinstance(base, Mapping) else {}, live, wanted, path, decide)
    if isinstance(live, list) and isinstance(wanted, list):
        merged = _merge_lists(base if isinstance(base, list) else [], live, wanted, path, decide)
        if merged is not None:
            return merged
    return decide(path, base, live, wanted)


def _merge_maps(
    base: Mapping[str, Any], live: Mapping[str, Any], wanted: Mapping[str, Any], path: Path, decide: _Decide
) -> dict[str, Any]:
    names = [*live, *(name for name in wanted if name not in live)]
    values = {
        name: _merge(base.get(name, ABSENT), live.get(name, ABSENT), wanted.get(name, ABSENT), (*path, str(name)), decide)
        for name in names
    }
    return {name: value for name, value in values.items() if value is not ABSENT}


def _merge_lists(base: list[Any], live: list[Any], wanted: list[Any], path: Path, decide: _Decide) -> list[Any] | None:
    """None where both sides replaced the same."""
    if key := _key(base, live, wanted):
        sides = [{entry[key]: entry for entry in entries} for entries in (base, live, wanted)]
        merged = _merge_maps(sides[0], sides[1], sides[2], path, decide)
        return _ordered(merged, list(sides[2]))
    if _are_commands(base, live, wanted):
        merged = _merge_maps(_flags(base), _flags(live), _flags(wanted), path, decide)
        return [word for words in _ordered(merged, list(_flags(wanted))) for word in words]
    return _merge_sets(base, live, wanted)


def _ordered(merged: Mapping[Any, Any], first: Sequence[Any]) -> list[Any]:
    """The values of `first` in that order, then what only the user has."""
    return [
        merged[name] for name in (*(name for name in first if name in merged), *(name for name in merged if name not in first))
    ]


def _key(*lists: Sequence[Any]) -> str:
    for key in _KEYS:
        if all(_distinguishes(key, entries) for entries in lists):
            return key
    return ""


def _distinguishes(key: str, entries: Sequence[Any]) -> bool:
    if not all(isinstance(entry, Mapping) and isinstance(entry.get(key), str | int) for entry in entries):
        return False
    return len({entry[key] for entry in entries}) == len(entries)


def _are_commands(*lists: Sequence[Any]) -> bool:
    """Words that are flags, after the program's name at most."""
    return all(
        all(isinstance(word, str) for word in words) and all(word.startswith("--") for word in words[1:]) for words in lists
    ) and any(word.startswith("--") for words in lists for word in words)


def _flags(words: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """All words of each flag, by its name; the program's by ""."""
    flags: dict[str, tuple[str, ...]] = {}
    for word in words:
        name = word.partition("=")[0] if word.startswith("--") else ""
        flags[name] = (*flags.get(name, ()), word)
    return flags


def _merge_sets(base: list[Any], live: list[Any], wanted: list[Any]) -> list[Any] | None:
    """What the user added and removed, done to `wanted`."""
    removed, ours_removed = _without(base, live), _without(base, wanted)
    if len(_without(removed, ours_removed)) < len(removed):  # both removed the same, and put something else there
        return None
    added = _without(live, base)
    return [*_without(wanted, removed), *_without(added, wanted)]


def _without(items: Sequence[Any], gone: Sequence[Any]) -> list[Any]:
    return [item for item in items if not any(_same(item, other) for other in gone)]


def _same(left: Any, right: Any) -> bool:
    """Equal as JSON, where true is not 1."""
    if left is ABSENT or right is ABSENT:
        return left is right
    return bool(left == right) and json.dumps(left, sort_keys=True) == json.dumps(right, sort_keys=True)


def _shown(value: Any) -> str:
    if value is ABSENT:
        return "not there"
    text = json.dumps(value, ensure_ascii=False)
    most = 120
    return text if len(text) <= most else f"{text[:most]}…"
