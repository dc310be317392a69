"""What every cluster needs beside its control plane: names, Services, a pod network."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from pykubeadm.commands.doctor.check import Check, Remark, problem, warning
from pykubeadm.commands.doctor.cluster import SYSTEM, ClusterView
from pykubeadm.kube.pod_state import is_ready, restarts, why_not_ready

_LOOP: Final = "Loop"
_RESTARTS: Final = 10


def _dns(view: ClusterView) -> Iterable[Remark]:
    found = view.api.list("apps/v1", "Deployment", SYSTEM, labels={"k8s-app": "kube-dns"})
    if not found:
        yield warning("there is no Deployment of a name server (label k8s-app=kube-dns)", "pykubeadm init phase addon coredns")
        return
    name, wanted = found[0]["metadata"]["name"], int(found[0]["spec"].get("replicas", 1))
    available = int((found[0].get("status") or {}).get("availableReplicas") or 0)
    if wanted == 0:
        yield problem(f"{name} is scaled to 0: no name is resolved", f"kubectl -n {SYSTEM} scale deployment {name} --replicas=2")
        return
    pods = view.pods_with("k8s-app", "kube-dns")
    if available < wanted:
        why = next((f": {pod['metadata']['name']}: {why_not_ready(pod)}" for pod in pods if not is_ready(pod)), "")
        remark = problem if available == 0 else warning
        yield remark(
            f"{available} of {wanted} pods of {name} are ready{why}", f"kubectl -n {SYSTEM} describe pods -l k8s-app=kube-dns"
        )
    for pod in pods:
        if not is_ready(pod) and _LOOP in view.streams.logs(SYSTEM, pod["metadata"]["name"], previous=restarts(pod) > 0):
            yield problem(
                f"{pod['metadata']['name']} asks itself (Loop detected): the node's name server is on its loopback interface",
                "set resolvConf in the KubeletConfiguration to a file with the real name servers",
            )
            return


def _proxy(view: ClusterView) -> Iterable[Remark]:
    found = view.api.get("apps/v1", "DaemonSet", "kube-proxy", SYSTEM)
    if found is None:
        if not any("kube-proxy" in str(pod["metadata"]["name"]) for pod in view.pods):
            yield warning(
                "there is no kube-proxy: addresses of Services lead nowhere, unless the network plugin takes its place",
                "pykubeadm init phase addon kube-proxy",
            )
        return
    status = found.get("status") or {}
    wanted, ready = int(status.get("desiredNumberScheduled") or 0), int(status.get("numberReady") or 0)
    if wanted < len(view.nodes):
        yield problem(
            f"kube-proxy is to run on {wanted} of {len(view.nodes)} nodes: addresses of Services lead nowhere on the others",
            f"kubectl -n {SYSTEM} get daemonset kube-proxy -o yaml: its nodeSelector and tolerations",
        )
    if ready < wanted:
        why = [
            f"{pod['spec'].get('nodeName')}: {why_not_ready(pod)}"
            for pod in view.pods_with("k8s-app", "kube-proxy")
            if not is_ready(pod)
        ]
        yield problem(
            f"kube-proxy is ready on {ready} of {wanted} nodes" + (f" ({'; '.join(why)})" if why else ""),
            f"kubectl -n {SYSTEM} logs -l k8s-app=kube-proxy",
        )


def _pods(view: ClusterView) -> Iterable[Remark]:
    """Of kube-system, those that other checks do not name."""
    for pod in view.pods:
        labels = pod["metadata"].get("labels") or {}
        phase = (pod.get("status") or {}).get("phase")
        if labels.get("tier") == "control-plane" or labels.get("k8s-app") in ("kube-dns", "kube-proxy") or phase == "Succeeded":
            continue
        name = pod["metadata"]["name"]
        if not is_ready(pod):
            yield warning(f"{name} is not ready: {why_not_ready(pod)}", f"kubectl -n {SYSTEM} describe pod {name}")
        elif restarts(pod) >= _RESTARTS:
            yield warning(f"{name} was started again {restarts(pod)} times", f"kubectl -n {SYSTEM} logs --previous {name}")


CHECKS: Final = (
    Check("cluster/dns", "pods find Services by their names", _dns),
    Check("cluster/kube-proxy", "it makes the addresses of Services lead to pods", _proxy),
    Check("cluster/system-pods", "what else runs in kube-system belongs to the cluster", _pods),
)
