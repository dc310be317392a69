"""Runs rows side by side in a namespace of their own, which is removed again."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import timedelta
from threading import Lock
from typing import Final

from pykubeadm.commands.verify.cluster import Cluster
from pykubeadm.commands.verify.evidence import evidence
from pykubeadm.commands.verify.row import NotServedError, Row, RowResult
from pykubeadm.commands.verify.trial import ROW_LABEL, Trial
from pykubeadm.errors import ApiError, PykubeadmError
from pykubeadm.kube.apply import retrying
from pykubeadm.kube.port import Api, ApiStatusError
from pykubeadm.kube.waits import WaitError, wait_for
from pykubeadm.util.kube_object import ODD_SHAPE, KubeObject
from pykubeadm.util.timestamp import parse_timestamp

NAMESPACE_PREFIX: Final = "pykubeadm-verify-"
NAMESPACE_LABEL: Final = "verify.pykubeadm/namespace"
_AT_A_TIME: Final = 8
_REMOVED_WITHIN: Final = timedelta(minutes=1)
_ABANDONED: Final = 3600.0  # seconds: no run takes that long
_NO_SHELL: Final = (
    "needs an image with a shell, and the nodes report none that all of them have: name one with --image, such as"
    " registry.k8s.io/e2e-test-images/busybox:1.37.0-1"
)

# What would make pods again.
_MAKERS: Final = (("apps/v1", "Deployment"), ("apps/v1", "StatefulSet"), ("apps/v1", "DaemonSet"), ("batch/v1", "CronJob"))

Report = Callable[[RowResult], None]
Begin = Callable[[Row], None]


def run_rows(cluster: Cluster, rows: Sequence[Row], begin: Begin, report: Report) -> tuple[list[RowResult], str]:
    """The results in the order of `rows`, and why the namespace is still there, "" where it is gone. `begin` is called as a row
    begins and `report` as it ends, one at a time. ApiError where the namespace cannot be made."""
    remove_abandoned(cluster.api, time.time())
    make_namespace(cluster.api, cluster.namespace)
    try:
        results = _run(cluster, rows, begin, report)
    except BaseException:
        with suppress(ApiError):  # nobody wants to wait for it
            cluster.api.delete("v1", "Namespace", cluster.namespace)
        raise
    return results, remove_namespace(cluster.api, cluster.namespace)


def _run(cluster: Cluster, rows: Sequence[Row], begin: Begin, report: Report) -> list[RowResult]:
    lock = Lock()
    results: dict[str, RowResult] = {}

    def one(row: Row) -> None:
        with lock:
            begin(row)
        result = run_row(cluster, row)
        with lock:
            results[row.name] = result
            report(result)

    together = sorted((row for row in rows if not row.alone), key=lambda row: not row.slow)
    pool = ThreadPoolExecutor(_AT_A_TIME)
    wait = True
    try:
        for finished in [pool.submit(one, row) for row in together]:
            finished.result()
        for row in rows:
            if row.alone:
                one(row)
    except KeyboardInterrupt:
        wait = False
        raise
    finally:
        pool.shutdown(wait=wait, cancel_futures=True)
    return [results[row.name] for row in rows]


def run_row(cluster: Cluster, row: Row) -> RowResult:
    """Never raises what a cluster can be the reason of: that is the result."""
    trial = Trial(cluster, row.name.partition("/")[2])
    began = time.monotonic()

    def spent() -> float:
        return time.monotonic() - began

    if row.needs_shell and not cluster.shell:
        return RowResult(row, "not served", 0.0, _NO_SHELL)
    try:
        said = row.run(trial)
    except NotServedError as error:
        return RowResult(row, "not served", spent(), str(error))
    except PykubeadmError as error:
        seconds = spent()
        return RowResult(row, "failed", seconds, str(error), evidence(trial))
    except ODD_SHAPE as error:  # the other rows shall be seen
        return RowResult(row, "failed", spent(), f"{type(error).__name__}: {error}")
    finally:
        with suppress(ApiError, *ODD_SHAPE):
            _remove_pods(trial)
    return RowResult(row, "passed", spent(), said)


def make_namespace(api: Api, name: str) -> None:
    """Whose pods may use everything that rows show (Pod Security Standards: privileged)."""
    labels = {NAMESPACE_LABEL: "", "pod-security.kubernetes.io/enforce": "privileged"}
    document: KubeObject = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}
    retrying(lambda: api.create(document), timedelta(seconds=10), settling=False)


def remove_namespace(api: Api, name: str) -> str:
    """Why it is not gone within a minute, "" where it is; one that is not goes when what keeps it is fixed."""
    why = "it is not gone yet"

    def what_keeps_it() -> str | None:
        nonlocal why
        try:
            found = api.get("v1", "Namespace", name)
            if found is None:
                return None
            if "deletionTimestamp" not in found["metadata"]:
                api.delete("v1", "Namespace", name)
            conditions = (found.get("status") or {}).get("conditions") or ()
            why = next((str(each["message"]) for each in conditions if each.get("status") == "True"), why)
        except ApiError as error:
            why = str(error)
        return why

    try:
        wait_for({name: what_keeps_it}, _REMOVED_WITHIN, report=lambda _target, _reason: None)
    except WaitError as late:
        return late.reasons[name]
    return ""


def remove_abandoned(api: Api, now: float) -> None:
    """The namespaces of runs that were killed, and volumes, which are in none. `now` is in seconds since the epoch."""
    volumes = [each for each in api.list("v1", "PersistentVolume") if ROW_LABEL in (each["metadata"].get("labels") or {})]
    for kind, found in (("Namespace", api.list("v1", "Namespace", labels={NAMESPACE_LABEL: ""})), ("PersistentVolume", volumes)):
        for each in found:
            created = parse_timestamp(each["metadata"]["creationTimestamp"])
            if now - created.timestamp() > _ABANDONED:
                with suppress(ApiError):
                    api.delete("v1", kind, each["metadata"]["name"])


def _remove_pods(trial: Trial) -> None:
    """What rows leave running costs those that come after them."""
    api, labels = trial.cluster.api, {ROW_LABEL: trial.row}
    for api_version, kind in _MAKERS:
        for found in api.list(api_version, kind, trial.namespace, labels=labels):
            api.delete(api_version, kind, found["metadata"]["name"], trial.namespace)
    for pod in api.list("v1", "Pod", trial.namespace, labels=labels):
        with suppress(ApiStatusError):
            api.delete("v1", "Pod", pod["metadata"]["name"], trial.namespace)
