"""Create-or-update that compares first, so that a second run changes nothing and says so.

What is ours is what the document names; fields of others (labels, a ConfigMap's other keys, what the server filled in) stay.
Lists are ours as a whole, as with kubeadm's update; entries that are there already keep the fields the server filled in.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any, Literal, TypeVar

from pykubeadm.errors import ApiError
from pykubeadm.kube.port import Api, ApiStatusError, ApiUnreachableError, UntrustedServerError, title
from pykubeadm.util.kube_object import KubeObject
from pykubeadm.util.retry import RanOutError, every, try_again
from pykubeadm.util.side_by_side import side_by_side

Outcome = Literal["created", "updated", "unchanged"]
T = TypeVar("T")

RETRY_INTERVAL = 0.2  # seconds
_TRANSIENT = frozenset({408, 409, 429, 500, 502, 503, 504})
# Just after the start of an API server its roles and namespaces are still being made: not allowed, or no such namespace.
_SETTLING = frozenset({403, 404})
_SETTLING_SECONDS = 10.0
# Entries of these lists hold one of several alternatives: what the wanted entry does not name has to go.
_ALTERNATIVES = frozenset({"volumes", "env"})


def ensure(api: Api, wanted: KubeObject) -> Outcome:
    """Make the object be as given; ApiError once that failed for `api.call_timeout`, at once where trying again is no use."""

    def once() -> Outcome:
        live = _get(api, wanted)
        if live is None:
            api.create(wanted)
            return "created"
        target = merged(live, wanted)
        if target == live:
            return "unchanged"
        stored = api.replace(target)
        # The server does not store what only looks different ("0.1" for "100m"): then nothing was changed.
        return "unchanged" if _version(stored) == _version(live) is not None else "updated"

    return retrying(once, api.call_timeout)


def ensure_all(api: Api, documents: Sequence[KubeObject]) -> list[str]:
    """`ensure` for documents that do not depend on each other, side by side. Returns a sentence for each that was changed."""
    outcomes = side_by_side(lambda document: ensure(api, document), documents, api.connections)
    return [sentence(outcome, document) for outcome, document in zip(outcomes, documents, strict=True) if outcome != "unchanged"]


def sentence(outcome: Outcome, document: KubeObject) -> str:
    """What was done, for the phase's changes: "created ConfigMap kube-system/kubeadm-config"."""
    return f"{outcome} {title(document)}"


def retrying(call: Callable[[], T], timeout: timedelta, *, settling: bool = True) -> T:
    """The call's result, tried again while its failure may pass by itself. With `settling` the cluster may just have been made:
    what is forbidden or not there may come by itself."""

    def patience(error: Exception, spent: float) -> timedelta | None:
        return timeout if _may_pass(error, spent, settling=settling) else None

    try:
        return try_again(call, patience, pause=every(RETRY_INTERVAL))
    except RanOutError as error:
        raise ApiError(str(error)) from error.__cause__


def _may_pass(error: Exception, spent: float, *, settling: bool) -> bool:
    if not isinstance(error, ApiStatusError):
        return isinstance(error, ApiUnreachableError) and not isinstance(error, UntrustedServerError)
    return error.code in _TRANSIENT or (settling and error.code in _SETTLING and spent < _SETTLING_SECONDS)


def merged(live: Any, wanted: Any, field: str = "") -> Any:
    """`live` with everything that `wanted` names set so; None in `wanted` names nothing."""
    if isinstance(live, dict) and isinstance(wanted, dict):
        kept = {} if field in _ALTERNATIVES and live.keys() != wanted.keys() else live
        return kept | {key: merged(live.get(key), value, key) for key, value in wanted.items() if value is not None}
    if isinstance(live, list) and isinstance(wanted, list):
        return [merged(entry, value, field) for entry, value in zip(_counterparts(live, wanted), wanted, strict=True)]
    return wanted


def _counterparts(live: list[Any], wanted: list[Any]) -> list[Any]:
    """For each wanted entry the one of `live` that stands for the same thing: by name where names are unique, else by place."""
    by_name, names = _by_name(live), _by_name(wanted)
    if by_name is not None and names is not None:
        return [by_name.get(entry["name"]) for entry in wanted]
    return live if len(live) == len(wanted) else [None] * len(wanted)


def _by_name(entries: list[Any]) -> dict[str, Any] | None:
    if not all(isinstance(entry, dict) and "name" in entry for entry in entries):
        return None
    found = {entry["name"]: entry for entry in entries}
    return found if len(found) == len(entries) else None


def _get(api: Api, wanted: KubeObject) -> KubeObject | None:
    metadata = wanted["metadata"]
    return api.get(wanted["apiVersion"], wanted["kind"], metadata["name"], metadata.get("namespace", ""))


def _version(document: KubeObject) -> str | None:
    version: str | None = document["metadata"].get("resourceVersion")
    return version
