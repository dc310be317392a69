"""Empties a node before its kubelet is replaced: it is cordoned, and its pods are evicted as their PodDisruptionBudgets allow.

Pods of DaemonSets, mirror pods and pods that have ended stay, as with `kubectl drain --ignore-daemonsets`. The requests are
those that a kubelet may make for its own node, so a worker is drained without an administrator's kubeconfig.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING

from pykubeadm.errors import ApiError, PhaseError
from pykubeadm.kube.apply import retrying
from pykubeadm.kube.port import title
from pykubeadm.kube.waits import WaitError, wait_for
from pykubeadm.util.dataclass import dataclass
from pykubeadm.util.kube_object import KubeObject

if TYPE_CHECKING:
    from pykubeadm.kube.port import Api
    from pykubeadm.workflow.phase import Changes

# An annotation of a Node that we cordoned, for a later run, or one on another machine; the cordon of others is left to them.
CORDONED = "pykubeadm/cordoned"
_MIRROR = "kubernetes.io/config.mirror"
_ENDED = ("Succeeded", "Failed")
_ASK_AGAIN = 5.0  # seconds until a pod is asked for again that could not be evicted; kubectl's


@dataclass(frozen=True, slots=True)
class Pods:
    """A node's pods as a drain sees them: those that it evicts, and those that it refuses to, by name with the reason. Pods that
    stay where they are, are in neither."""

    evicted: tuple[KubeObject, ...]
    refused: dict[str, str]


def sort_pods(pods: Sequence[KubeObject], *, delete_emptydir_data: bool) -> Pods:
    """Which of a node's pods a drain evicts, and which it refuses to."""
    evicted, refused = list[KubeObject](), dict[str, str]()
    for pod in pods:
        if _stays(pod):
            continue
        if _controller(pod) == "":
            refused[_name(pod)] = "no controller would make it again"
        elif _has_emptydir(pod) and not delete_emptydir_data:
            refused[_name(pod)] = "it keeps data in an emptyDir"
        else:
            evicted.append(pod)
    return Pods(tuple(evicted), refused)


def cordon(api: Api, node: str) -> Changes:
    """Let no further pods be scheduled to the node, and mark it as cordoned by us; () where it is cordoned already."""
    found = _node(api, node)
    if found.get("spec", {}).get("unschedulable"):
        return ()
    body = {"metadata": {"annotations": {CORDONED: ""}}, "spec": {"unschedulable": True}}
    retrying(lambda: api.patch("v1", "Node", node, body, how="merge"), api.call_timeout)
    return (f"cordoned node {node}",)


def uncordon(api: Api, node: str) -> Changes:
    """Let pods be scheduled to the node again if it was cordoned by us."""
    metadata = _node(api, node)["metadata"]
    if CORDONED not in (metadata.get("annotations") or {}):
        return ()
    body = {"metadata": {"annotations": {CORDONED: None}}, "spec": {"unschedulable": None}}
    retrying(lambda: api.patch("v1", "Node", node, body, how="merge"), api.call_timeout)
    return (f"uncordoned node {node}",)


def drain(
    api: Api,
    node: str,
    timeout: timedelta,
    *,
    delete_emptydir_data: bool = False,
    report: Callable[[str], None] = lambda _reason: None,
) -> Changes:
    """Cordon the node and evict its pods; returns a sentence for each. PhaseError before anything is changed where pods must
    not be evicted, or after `timeout` with the pods that are left and why. `report` gets what is waited for."""
    if refusal := why_not_drained(api, node, delete_emptydir_data=delete_emptydir_data):
        raise PhaseError(refusal)
    changes = list(cordon(api, node))
    pods = sort_pods(pods_of(api, node), delete_emptydir_data=delete_emptydir_data).evicted
    emptying = _Emptying(api, node, {pod["metadata"]["uid"] for pod in pods})
    try:
        wait_for({f"node {node} to be empty": emptying.look}, timeout, report=lambda _target, reason: report(reason))
    except WaitError as error:
        raise PhaseError(
            f"{error}; the node stays cordoned: run this again once they can go, or kubectl uncordon {node} to leave it as it is"
        ) from error
    return [*changes, *(f"evicted {_name(pod)}" for pod in pods)]


def why_not_drained(api: Api, node: str, *, delete_emptydir_data: bool) -> str:
    """Which pods of the node a drain would refuse to evict, and what to do; "" where there are none."""
    refused = sort_pods(pods_of(api, node), delete_emptydir_data=delete_emptydir_data).refused
    if not refused:
        return ""
    listed = "; ".join(f"{pod}: {reason}" for pod, reason in refused.items())
    flag = "" if delete_emptydir_data else "; --delete-emptydir-data has the data of emptyDirs deleted with their pods"
    return f"node {node} cannot be drained: {listed}; delete or move these pods first{flag}"


def pods_of(api: Api, node: str) -> list[KubeObject]:
    """The pods that are bound to the node."""
    return retrying(lambda: api.list("v1", "Pod", fields={"spec.nodeName": node}), api.call_timeout)


class _Emptying:
    """Asks for the eviction of pods until they are gone. A pod that comes with the same name later is another one."""

    def __init__(self, api: Api, node: str, wanted: set[str]) -> None:
        """`wanted` are the pods' uids."""
        self._api = api
        self._node = node
        self._wanted = wanted
        self._asked: dict[str, tuple[float, str]] = {}  # uid → when, and the answer

    def look(self) -> str | None:
        """None once all are gone, else which are left, with the reasons."""
        if not self._wanted:
            return None
        try:
            pods = self._api.list("v1", "Pod", fields={"spec.nodeName": self._node})
        except ApiError as error:
            return str(error)
        left = [pod for pod in pods if pod["metadata"]["uid"] in self._wanted and not _stays(pod)]
        return "; ".join(f"{_name(pod)}: {self._ask(pod)}" for pod in left) or None

    def _ask(self, pod: KubeObject) -> str:
        """Have it evicted; the reason why it is still there."""
        uid, now = pod["metadata"]["uid"], time.monotonic()
        if since := pod["metadata"].get("deletionTimestamp"):
            finalizers = ", ".join(pod["metadata"].get("finalizers") or ())
            return f"ending since {since}" + (f", held by {finalizers}" if finalizers else "")
        asked, said = self._asked.get(uid, (-_ASK_AGAIN, ""))
        if now - asked < _ASK_AGAIN:
            return said
        try:
            self._api.evict(pod)
            said = "was asked to end"
        except ApiError as error:
            said = str(error)
        self._asked[uid] = (now, said)
        return said


def _node(api: Api, name: str) -> KubeObject:
    found = retrying(lambda: api.get("v1", "Node", name), api.call_timeout)
    if found is None:
        raise PhaseError(f"there is no Node {name} in the cluster that could be drained")
    return found


def _stays(pod: KubeObject) -> bool:
    """Nothing is gained by evicting it: it has ended, or comes back at once."""
    mirrored = _MIRROR in (pod["metadata"].get("annotations") or {})
    return mirrored or _controller(pod) == "DaemonSet" or pod.get("status", {}).get("phase") in _ENDED


def _controller(pod: KubeObject) -> str:
    """The kind of the object that controls it, "" for none."""
    owners = pod["metadata"].get("ownerReferences") or ()
    return next((str(owner["kind"]) for owner in owners if owner.get("controller")), "")


def _has_emptydir(pod: KubeObject) -> bool:
    return any("emptyDir" in volume for volume in pod.get("spec", {}).get("volumes") or ())


def _name(pod: KubeObject) -> str:
    return title({"kind": "Pod", "metadata": pod["metadata"]})
