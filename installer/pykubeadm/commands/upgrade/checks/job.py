"""Whether the cluster takes a Job on this node and runs it (kubeadm: phases/upgrade/health.go, CreateJob).

Other than kubeadm's, the Job is bound to the node that is upgraded: elsewhere it may land on one that says nothing of it. What
admission refuses is tried again, as policies and webhooks take some time after an API server has started; and it is removed.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final

from pykubeadm.errors import ApiError
from pykubeadm.kube.port import Api, ApiStatusError
from pykubeadm.phases.cluster.state import NAMESPACE
from pykubeadm.phases.preflight.check import FINE, Check, Findings, error, warning
from pykubeadm.util.kube_object import KubeObject
from pykubeadm.util.retry import Patience, RanOutError, every, try_again

NAME: Final = "CreateJob"
_PREFIX: Final = "upgrade-health-check"
_SECONDS: Final = 60  # for the API server to take it, and as long to run it
_MARGIN: Final = 5
_LOOK_EVERY = 0.5
_NO_DRY_RUN: Final = "does not support dry run"  # of a webhook with side effects (apiserver: plugin/webhook/errors)
_LABEL: Final = "batch.kubernetes.io/job-name"


def job_check(api: Api, node: str, image: str, suffix: str, *, seconds: float = _SECONDS) -> Check:
    """Run a Job with `image` on the Node `node`; `suffix` distinguishes it from those of other runs."""
    return Check(NAME, lambda _machine: run_job(api, health_job(node, image, suffix), seconds))


def admission_check(rehearsing: Callable[[], Api], node: str, image: str) -> Check:
    """Only ask the API server whether it would take the Job and its pod; `rehearsing` is one that stores nothing."""
    return Check(NAME, lambda _machine: would_be_taken(rehearsing(), health_job(node, image, "plan")))


def health_job(node: str, image: str, suffix: str) -> KubeObject:
    """The image is that of pause, which prints its version and ends."""
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": f"{_PREFIX}-{suffix}", "namespace": NAMESPACE},
        "spec": {
            "backoffLimit": 0,
            "activeDeadlineSeconds": _SECONDS + _MARGIN,
            "ttlSecondsAfterFinished": _SECONDS + _MARGIN,  # where this run is killed
            "template": {"spec": _pod(node, image)},
        },
    }


def would_be_taken(api: Api, job: KubeObject) -> Findings:
    """The Job controller's pod is asked for, too: what admission says of it would be seen nowhere else."""
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": job["metadata"], "spec": job["spec"]["template"]["spec"]}
    for document in (job, pod):
        try:
            api.create(document)
        except ApiStatusError as refusal:
            if _NO_DRY_RUN in str(refusal):
                return warning(f"whether the {document['kind']} that tests the cluster will be taken cannot be asked: {refusal}")
            if refusal.code != 409:
                return error(f"the API server would refuse the {document['kind']} that tests the cluster: {refusal}")
    return FINE


def run_job(api: Api, job: KubeObject, seconds: float) -> Findings:
    name = job["metadata"]["name"]
    try:
        _create(api, job, seconds)
        return _await(api, name, seconds)
    except RanOutError as failure:
        return error(f"a Job that tests the cluster could not be made: {failure.__cause__}")
    finally:
        with suppress(ApiError):
            _remove(api, name)


def _create(api: Api, job: KubeObject, seconds: float) -> None:
    def create() -> None:
        try:
            api.create(job)
        except ApiStatusError as refusal:
            if refusal.code != 409:  # ours, of an attempt whose answer was lost
                raise

    try_again(create, _for(seconds), pause=every(_LOOK_EVERY))


class _NotEndedError(Exception):
    """The Job runs on, or has not started; the reason."""


def _await(api: Api, name: str, seconds: float) -> Findings:
    def look() -> Findings:
        found = api.get("batch/v1", "Job", name, NAMESPACE) or {}
        conditions = (found.get("status") or {}).get("conditions") or ()
        ended = {each["type"]: each for each in conditions if each["status"] == "True"}
        if "Complete" in ended or "SuccessCriteriaMet" in ended:
            return FINE
        if "Failed" in ended:
            return error(f"the Job {name} that tests the cluster failed: {ended['Failed'].get('message', '')}; {_why(api, name)}")
        raise _NotEndedError(_why(api, name))

    try:
        return try_again(look, _for(seconds), pause=every(_LOOK_EVERY))
    except RanOutError as late:
        return error(f"the Job {name} that tests the cluster did not end within {seconds:.0f} s: {late.__cause__}")


def _for(seconds: float) -> Patience:
    from datetime import timedelta

    limit = timedelta(seconds=seconds)
    return lambda failure, _spent: limit if isinstance(failure, ApiError | _NotEndedError) else None


def _why(api: Api, name: str) -> str:
    """What keeps its pod."""
    pods = api.list("v1", "Pod", NAMESPACE, labels={_LABEL: name})
    if not pods:
        return "there is no pod of it, see why with `kubectl describe job`: is the controller manager running?"
    status = pods[0].get("status") or {}
    for container in status.get("containerStatuses") or ():
        for state in (container.get("state") or {}).values():
            if state.get("reason") and state["reason"] != "Completed":
                return f"its container is {state['reason']}: {state.get('message', '')}".rstrip(": ")
    for condition in status.get("conditions") or ():
        if condition.get("status") == "False" and condition.get("message"):
            return str(condition["message"])
    node, phase = (pods[0].get("spec") or {}).get("nodeName"), status.get("phase", "of no phase")
    if phase == "Succeeded":
        return "its pod has succeeded, which the controller manager has not taken note of: is it running?"
    if not node:
        return "its pod was given to no node: is kube-scheduler running, or kept waiting after it ended (`crictl ps -a`)?"
    return f"its pod is {phase}, and the kubelet of {node} does not say why"


def _remove(api: Api, name: str) -> None:
    """Jobs leave their pods behind where they are deleted plainly (Kubernetes: registry/batch/job/strategy.go)."""
    api.delete("batch/v1", "Job", name, NAMESPACE)
    for pod in api.list("v1", "Pod", NAMESPACE, labels={_LABEL: name}):
        api.delete("v1", "Pod", pod["metadata"]["name"], NAMESPACE)


def _pod(node: str, image: str) -> dict[str, Any]:
    """Scheduled as any other pod is, but only to this node, drained or not."""
    on_node = {"matchFields": [{"key": "metadata.name", "operator": "In", "values": [node]}]}
    return {
        "restartPolicy": "Never",
        "securityContext": {"runAsUser": 999, "runAsGroup": 999, "runAsNonRoot": True},
        "tolerations": [{"operator": "Exists"}],
        "affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [on_node]}}},
        "containers": [{"name": _PREFIX, "image": image, "args": ["-v"]}],
    }
