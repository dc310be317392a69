"""API servers, the other components, and who leads."""

from __future__ import annotations

import time
from collections.abc import Iterable
from datetime import timedelta
from statistics import median
from typing import Final

from pykubeadm.commands.doctor.check import Check, Remark, note, problem, unknown, warning
from pykubeadm.commands.doctor.cluster import SYSTEM, ClusterView
from pykubeadm.kube.api_servers import api_servers, shown_certificate
from pykubeadm.kube.pod_state import is_ready, restarts, why_not_ready
from pykubeadm.kube.port import ApiUnreachableError
from pykubeadm.node.health import why_unhealthy
from pykubeadm.util.age import age
from pykubeadm.util.der import validity
from pykubeadm.util.side_by_side import side_by_side
from pykubeadm.util.timestamp import parse_timestamp

_COMPONENTS: Final = ("kube-apiserver", "kube-controller-manager", "kube-scheduler", "etcd")
_SLOW: Final = 1.0  # seconds for a small request
_REFUSED: Final = (401, 403)
_ASKED: Final = 5
_AT_A_TIME: Final = 6
_SOON: Final = timedelta(days=30)
_RESTARTS: Final = 5


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


def _certificates(view: ClusterView) -> Iterable[Remark]:
    """Of the API server that the kubeconfig leads to, and of each at its own address, where that can be reached from here."""
    if not (ours := view.api.server_certificate):
        view.api.get("v1", "Namespace", SYSTEM)
        ours = view.api.server_certificate
    urls = [url for _, url in api_servers(view.api) if url != view.api.server]
    shown = {view.api.server: ours, **dict(zip(urls, side_by_side(_shown, urls, _AT_A_TIME), strict=True))}
    if unseen := [url for url in urls if not shown[url]]:
        yield note(f"the certificates of {', '.join(unseen)} cannot be seen from here", "run it on a control plane")
    named: set[bytes] = set()
    for url, certificate in shown.items():
        if not certificate or certificate in named:
            continue
        named.add(certificate)
        left = validity(certificate)[1] - view.now()
        if left <= timedelta():
            yield problem(f"the certificate of {url} expired {age(-left)} ago", "pykubeadm certs renew all")
        elif left < _SOON:
            yield warning(f"the certificate of {url} expires in {age(left)}", "pykubeadm certs renew all")


def _shown(url: str) -> bytes:
    """b"" where nobody answers: where components are missing, another check says so."""
    try:
        return shown_certificate(url)
    except ApiUnreachableError:
        return b""


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
    Check("cluster/api-certificate", "clients refuse an API server whose certificate has expired", _certificates),
    Check("cluster/components", "each control plane has all components", _components),
    Check("cluster/leaders", "without a leader no pod is made, or given to a node", _leaders),
)
