"""API servers, the other components, etcd, and who leads."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from datetime import timedelta
from statistics import median
from typing import Final
from urllib.parse import urlsplit

from pykubeadm.commands.doctor.check import Check, Remark, problem, unknown, warning
from pykubeadm.commands.doctor.cluster import SYSTEM, ClusterView
from pykubeadm.kube.etcd_pods import NoEtcdctlError, ask_etcd, etcd_pods
from pykubeadm.kube.pod_state import is_ready, restarts, why_not_ready
from pykubeadm.node.health import why_unhealthy
from pykubeadm.phases.static_pods.present import arguments
from pykubeadm.util.age import age
from pykubeadm.util.der import validity
from pykubeadm.util.kube_object import KubeObject
from pykubeadm.util.timestamp import parse_timestamp

_COMPONENTS: Final = ("kube-apiserver", "kube-controller-manager", "kube-scheduler", "etcd")
_SLOW: Final = 1.0  # seconds for a small request
_REFUSED: Final = (401, 403)
_ASKED: Final = 5
_SOON: Final = timedelta(days=30)
_RESTARTS: Final = 5
_QUOTA: Final = 2 * 2**30  # bytes at which etcd refuses writes, unless --quota-backend-bytes says others; below 0 it never does
_LARGE: Final = 0.75  # of that


def _answers(view: ClusterView) -> Iterable[Remark]:
    spent = []
    for _ in range(_ASKED):
        began = time.monotonic()
        answer = view.raw("/readyz")
        spent.append(time.monotonic() - began)
    if answer.status in _REFUSED:
        yield unknown(f"the API server at {view.api.server} does not let this user see whether it is ready")
    elif answer.status != 200:
        why = why_unhealthy(answer.status, answer.body.decode(errors="replace"))
        yield problem(f"the API server at {view.api.server} is not ready: {why}", "kubectl get --raw '/readyz?verbose'")
    if median(spent) > _SLOW:
        yield warning(
            f"the API server takes {median(spent):.1f} s for a small request",
            "look at the load of the control planes and at etcd's disk",
        )


def _certificate(view: ClusterView) -> Iterable[Remark]:
    if not (shown := view.api.server_certificate):
        view.api.get("v1", "Namespace", SYSTEM)
        shown = view.api.server_certificate
    if shown:
        _, expires = validity(shown)
        if expires - view.now() < _SOON:
            yield warning(
                f"the certificate of {view.api.server} expires in {age(expires - view.now())}", "pykubeadm certs renew all"
            )


def _components(view: ClusterView) -> Iterable[Remark]:
    planes = [node["metadata"]["name"] for node in view.control_planes]
    found = {
        (pod["spec"].get("nodeName"), component): pod
        for component in _COMPONENTS
        for pod in view.pods_with("component", component)
    }
    if not found:
        return
    has_etcd = any(component == "etcd" for _, component in found)
    for node in planes:
        for component in _COMPONENTS if has_etcd else _COMPONENTS[:-1]:
            pod = found.get((node, component))
            if pod is None:
                yield problem(f"{component} has no pod on {node}", f"on {node}: pykubeadm doctor")
            elif not is_ready(pod):
                yield problem(f"{component} on {node} is not ready: {why_not_ready(pod)}", f"on {node}: pykubeadm doctor")
            elif restarts(pod) >= _RESTARTS:
                yield warning(
                    f"{component} on {node} was started again {restarts(pod)} times",
                    f"kubectl -n {SYSTEM} logs --previous {pod['metadata']['name']}",
                )


def _etcd(view: ClusterView) -> Iterable[Remark]:
    pods = etcd_pods(view.api)
    ready = [pod for pod in pods if is_ready(pod)]
    if not ready:
        return
    try:
        state = ask_etcd(view.streams, ready[0])
    except NoEtcdctlError as error:
        yield unknown(str(error))
        return
    for name in state.silent:
        yield problem(
            f"etcd's member {name} does not answer; {len(state.members)} of {len(state.members) + len(state.silent)} do",
            f"on {name}: pykubeadm doctor; if it is gone for good: pykubeadm node remove {name}",
        )
    if any(not member.leader for member in state.members) or len({member.leader for member in state.members}) > 1:
        yield problem(
            "etcd's members do not agree on a leader",
            "etcdctl endpoint status --cluster; look at the network between control planes",
        )
    if state.alarms:
        yield problem(
            f"etcd has raised the alarm {', '.join(state.alarms)} and takes no more writes",
            "etcdctl defrag, then etcdctl alarm disarm",
        )
    for member in state.members:
        mebibytes = member.bytes / 2**20
        if member.learner:
            yield warning(
                f"the etcd member at {member.endpoint} is a learner: it does not count for the majority",
                "run `pykubeadm join` on its node again",
            )
        quota = _quota(pods, member.endpoint)
        if 0 < quota * _LARGE <= member.bytes:
            yield warning(
                f"etcd's database at {member.endpoint} has {mebibytes:.0f} MiB, and at {quota >> 20} (its quota) it"
                " takes no more writes",
                "etcdctl defrag; look for what makes so many objects",
            )


def _quota(pods: Sequence[KubeObject], endpoint: str) -> int:
    """Of the member at an endpoint, as its pod says."""
    host = urlsplit(endpoint).hostname
    pod = next((pod for pod in pods if (pod.get("status") or {}).get("hostIP") == host), {})
    given = arguments(pod).get("quota-backend-bytes", "")
    return (int(given) if given.removeprefix("-").isdecimal() else 0) or _QUOTA


def _leaders(view: ClusterView) -> Iterable[Remark]:
    for component in _COMPONENTS[1:3]:
        lease = view.api.get("coordination.k8s.io/v1", "Lease", component, SYSTEM)
        if lease is None or not lease["spec"].get("renewTime"):
            continue
        since = view.now() - parse_timestamp(lease["spec"]["renewTime"])
        if since.total_seconds() > 2 * int(lease["spec"].get("leaseDurationSeconds") or 15):
            holder = lease["spec"].get("holderIdentity") or "nobody"
            yield problem(
                f"{component} has no leader: {holder} renewed the Lease {age(since)} ago",
                f"kubectl -n {SYSTEM} logs -l component={component}",
            )


CHECKS: Final = (
    Check("cluster/api", "everything goes through the API server", _answers),
    Check("cluster/api-certificate", "clients refuse an API server whose certificate has expired", _certificate),
    Check("cluster/components", "each control plane has all components", _components),
    Check("cluster/etcd", "etcd keeps the whole state of the cluster", _etcd),
    Check("cluster/leaders", "without a leader no pod is made, or given to a node", _leaders),
)
