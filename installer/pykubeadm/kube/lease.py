"""A Lease (coordination.k8s.io/v1) as a lock between machines: one holder at a time, free again when it is no longer renewed.

Whether a holder is gone is found by watching, as client-go's leader election does: a Lease that did not change for its
own duration is free. So clocks that differ do no harm.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from threading import Event, Thread

from pykubeadm.errors import ApiError, PhaseError
from pykubeadm.kube.port import Api, ApiStatusError, ApiUnreachableError
from pykubeadm.util.kube_object import KubeObject
from pykubeadm.util.retry import RanOutError, every, try_again

API_VERSION, KIND, NAMESPACE = "coordination.k8s.io/v1", "Lease", "kube-system"
DURATION = timedelta(seconds=20)
_RENEW_EVERY = 5.0  # seconds
_LOOK_EVERY = 0.5  # seconds
_PASSING = (408, 409, 429)  # another was faster, or the API server has too much to do


@contextmanager
def held(api: Api, name: str, holder: str, *, timeout: timedelta, report: Callable[[str], None]) -> Iterator[None]:
    """Wait until the Lease `name` is `holder`'s, hold it while the block runs, renewed by a thread of its own, then free it. A
    holder of the same name is ourselves from an earlier run. PhaseError after `timeout`; `report` gets who has it meanwhile."""
    _acquire(api, name, holder, timeout, report)
    done = Event()
    renewing = Thread(target=_keep, args=(api, name, holder, done), name=f"lease {name}", daemon=True)
    renewing.start()
    try:
        yield
    finally:
        done.set()
        renewing.join()
        _write_if_ours(api, name, holder, "")


def _keep(api: Api, name: str, holder: str, done: Event) -> None:
    while not done.wait(_RENEW_EVERY):
        _write_if_ours(api, name, holder, holder)


class _TakenError(Exception):
    """Another holds the Lease."""


def _acquire(api: Api, name: str, holder: str, timeout: timedelta, report: Callable[[str], None]) -> None:
    seen, seen_at = "", time.monotonic()

    def take() -> None:
        nonlocal seen, seen_at
        try:
            lease = api.get(API_VERSION, KIND, name, NAMESPACE)
        except ApiError:  # while nobody answers, its holder cannot renew it either
            seen = ""
            raise
        if lease is None:
            api.create(_document(name, holder))
            return
        version, now = str(lease["metadata"].get("resourceVersion")), time.monotonic()
        if version != seen:
            seen, seen_at = version, now
        other = lease["spec"].get("holderIdentity") or ""
        seconds = lease["spec"].get("leaseDurationSeconds") or DURATION.total_seconds()
        if other not in ("", holder) and now - seen_at <= seconds:
            raise _TakenError(f"{other} has the Lease {NAMESPACE}/{name}")
        api.replace(_document(name, holder, lease))

    def patience(error: Exception, _spent: float) -> timedelta | None:
        passes = isinstance(error, ApiStatusError) and (error.code in _PASSING or error.code >= 500)
        return timeout if passes or isinstance(error, _TakenError | ApiUnreachableError) else None

    try:
        try_again(take, patience, pause=every(_LOOK_EVERY), report=lambda failure: report(str(failure)))
    except RanOutError as error:
        timed_out = f"timed out after {timeout.total_seconds():.0f} s of waiting for the Lease {NAMESPACE}/{name}"
        raise PhaseError(f"{timed_out}: {error.__cause__}") from error.__cause__


def _write_if_ours(api: Api, name: str, holder: str, new_holder: str) -> None:
    """Losing the Lease must not stop what is under way, so errors are left to the next one who looks."""
    with suppress(ApiError):
        lease = api.get(API_VERSION, KIND, name, NAMESPACE)
        if lease is not None and lease["spec"].get("holderIdentity") == holder:
            api.replace(_document(name, new_holder, lease))


def _document(name: str, holder: str, stored: KubeObject | None = None) -> KubeObject:
    now = datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
    spec = dict((stored or {}).get("spec", {}))
    if spec.get("holderIdentity") != holder:
        spec |= {"acquireTime": now, "leaseTransitions": spec.get("leaseTransitions", 0) + (1 if stored else 0)}
    spec |= {"holderIdentity": holder, "leaseDurationSeconds": int(DURATION.total_seconds()), "renewTime": now}
    metadata = (stored or {}).get("metadata") or {"name": name, "namespace": NAMESPACE}
    return {"apiVersion": API_VERSION, "kind": KIND, "metadata": metadata, "spec": spec}
