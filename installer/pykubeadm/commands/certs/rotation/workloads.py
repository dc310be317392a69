"""Pods that began before both CAs were trusted: their programs may know only the former one, as they read it once."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from pykubeadm.commands.certs.rotation.run import RotationRun
from pykubeadm.commands.certs.rotation.stages import CA
from pykubeadm.commands.certs.rotation.waiting import wait_for_others
from pykubeadm.errors import ApiError
from pykubeadm.kube.apply import retrying
from pykubeadm.phases.cluster.connection import cluster_api
from pykubeadm.workflow.phase import Changes

if TYPE_CHECKING:
    from pykubeadm.util.kube_object import KubeObject

_RESTARTED_AT: Final = "kubectl.kubernetes.io/restartedAt"  # kubectl rollout restart (polymorphichelpers/objectrestarter.go)
_CONTROLLERS: Final = ("DaemonSet", "Deployment", "StatefulSet")
_FINISHED: Final = ("Succeeded", "Failed")
_ROLLED_OUT_WITHIN: Final = timedelta(minutes=10)

Workload = tuple[str, str, str]  # kind, namespace, name


def restart_workloads(run: RotationRun) -> Changes:
    """Name what has pods that may not know the new CA; with --restart-workloads have their controllers replace the pods."""
    if CA not in run.under_way.names:
        return ()
    found = former_workloads(run)
    due = [workload for workload in found if workload[0] in _CONTROLLERS] if run.restart_workloads else []
    now = run.now().strftime("%Y-%m-%dT%H:%M:%SZ")
    for kind, namespace, name in due:
        body = {"spec": {"template": {"metadata": {"annotations": {_RESTARTED_AT: now}}}}}
        api = cluster_api(run)
        retrying(partial(api.patch, "apps/v1", kind, name, body, namespace, how="merge"), api.call_timeout)
    if due:
        wait_for_others(run, "workloads", {"pods of workloads that were restarted": partial(_left, run, due)}, _ROLLED_OUT_WITHIN)
    left = [workload for workload in found if workload not in due]
    if left:
        how = "" if run.restart_workloads else " (--restart-workloads has their controllers do it)"
        run.note(
            "warning",
            f"the pods of {', '.join(map(_title, left))} began before both CAs were trusted: what in them speaks to the API and"
            f" reads its CA only once, as client-go did before 1.36, has to start again before --finish{how}",
            topic="workloads",
        )
    return [f"restarted {_title(workload)}" for workload in due]


def former_workloads(run: RotationRun) -> list[Workload]:
    """Of pods with a token of their ServiceAccount, which comes with the CA."""
    since = run.under_way.trusted_since
    api = cluster_api(run)
    pods = retrying(lambda: api.list("v1", "Pod"), api.call_timeout)
    former = [pod for pod in pods if _has_token(pod) and _began_before(pod, since)]
    return sorted({_workload(pod) for pod in former})


def _left(run: RotationRun, due: list[Workload]) -> str | None:
    try:
        left = [workload for workload in former_workloads(run) if workload in due]
    except ApiError as error:
        return str(error)
    return f"there are former ones of {', '.join(map(_title, left))}" if left else None


def _has_token(pod: KubeObject) -> bool:
    volumes = (pod.get("spec") or {}).get("volumes") or ()
    sources = (source for volume in volumes for source in (volume.get("projected") or {}).get("sources") or ())
    return any("serviceAccountToken" in source for source in sources)


def _began_before(pod: KubeObject, since: str) -> bool:
    """By its containers: one that was started again since has read its CA again."""
    status = pod.get("status") or {}
    if status.get("phase") in _FINISHED or not since:
        return False
    starts = [
        started
        for each in status.get("containerStatuses") or ()
        if (started := ((each.get("state") or {}).get("running") or {}).get("startedAt"))
    ]
    return any(datetime.fromisoformat(started) < datetime.fromisoformat(since) for started in starts)


def _workload(pod: KubeObject) -> Workload:
    """Whose it is; a ReplicaSet is named after its Deployment."""
    metadata: Mapping[str, Any] = pod["metadata"]
    owner: Mapping[str, Any] = next((each for each in metadata.get("ownerReferences") or () if each.get("controller")), {})
    kind, name = str(owner.get("kind") or "Pod"), str(owner.get("name") or metadata["name"])
    suffix = f"-{(metadata.get('labels') or {}).get('pod-template-hash', '')}"
    if kind == "ReplicaSet" and name.endswith(suffix):
        kind, name = "Deployment", name.removesuffix(suffix)
    return kind, str(metadata.get("namespace", "")), name


def _title(workload: Workload) -> str:
    kind, namespace, name = workload
    return f"{kind} {namespace}/{name}"
