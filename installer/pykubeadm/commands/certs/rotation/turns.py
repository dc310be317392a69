"""One control plane after the other restarts its etcd and its API server, also where the command is run on several at once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any, Final

from pykubeadm.commands.certs.rotation.run import RotationRun
from pykubeadm.commands.certs.rotation.waiting import wait_for_others
from pykubeadm.constants import ENDPOINT_ANNOTATION
from pykubeadm.kube.apply import retrying
from pykubeadm.kube.lease import held
from pykubeadm.phases.cluster import connection
from pykubeadm.phases.replacing.etcd import LEASE, QUEUE, await_healthy_etcd
from pykubeadm.phases.waiting import probe
from pykubeadm.workflow.events import Waiting

if TYPE_CHECKING:
    from pykubeadm.kube.waits import Probe

ETCD, API_SERVER = "etcd", "kube-apiserver"
PHASE: Final = "restart"
_LABELS: Final = {"component": API_SERVER, "tier": "control-plane"}


@contextmanager
def own_turn(run: RotationRun, names: Sequence[str]) -> Iterator[None]:
    """While `names` are restarted on this node: no other control plane restarts its etcd or API server, be it by an upgrade; all
    other API servers answer before, and etcd can do without this node's member. The Lease is held at the endpoint of all control
    planes, as this node's own API server is away meanwhile."""
    others = other_servers(run) if API_SERVER in names or ETCD in names else {}

    def report(reason: str) -> None:
        run.emit(Waiting(phase=PHASE, target="this node's turn", reason=reason))

    with ExitStack() as stack:
        if others:
            stack.enter_context(held(connection.endpoint_api(run), LEASE, run.node_name, timeout=QUEUE, report=report))
            timeout = run.configuration.this_node.timeouts.control_plane_component_health_check
            wait_for_others(run, PHASE, _answering(run, others), timeout)
        if ETCD in names:
            await_healthy_etcd(run)
        yield


def other_servers(run: RotationRun) -> dict[str, str]:
    """Node → "address:port" of its API server, of all but this node's."""
    api = connection.cluster_api(run)
    pods = retrying(lambda: api.list("v1", "Pod", "kube-system", labels=_LABELS), api.call_timeout)
    return {node: endpoint for pod in pods if (node := _node(pod)) != run.node_name and (endpoint := _endpoint(pod))}


def _answering(run: RotationRun, servers: Mapping[str, str]) -> dict[str, Probe]:
    return {
        f"the API server of {node}": probe(run.node, connection.health_endpoint(run, f"https://{endpoint}/readyz"))
        for node, endpoint in servers.items()
    }


def _node(pod: Mapping[str, Any]) -> str:
    return str((pod.get("spec") or {}).get("nodeName") or "")


def _endpoint(pod: Mapping[str, Any]) -> str:
    return str((pod["metadata"].get("annotations") or {}).get(ENDPOINT_ANNOTATION) or "")
