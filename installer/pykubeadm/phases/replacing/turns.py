"""One control plane after the other is without its etcd member or its API server, also where several are changed at once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from pykubeadm.constants import ENDPOINT_ANNOTATION
from pykubeadm.errors import ApiError, PhaseError
from pykubeadm.kube.port import ApiUnreachableError
from pykubeadm.phases.cluster import connection
from pykubeadm.phases.replacing.components import API_SERVER, BASE, ETCD
from pykubeadm.phases.replacing.etcd import await_healthy_etcd
from pykubeadm.workflow.events import Waiting

if TYPE_CHECKING:
    from pykubeadm.kube.waits import Probe
    from pykubeadm.phases.run import ClusterRun

LEASE: Final = "pykubeadm-etcd-upgrade"
QUEUE: Final = timedelta(minutes=10)  # for all that are before us
_LABELS: Final = {"component": API_SERVER, "tier": "control-plane"}


@contextmanager
def own_turn(run: ClusterRun, names: Sequence[str], phase: str) -> Iterator[int]:
    """While the static pods of `names` are replaced or restarted on this node: no other control plane does so with its etcd or
    API server, all other API servers answer before, and etcd can do without this node's member. Gives the number of etcd's
    members, 0 where etcd is none of `names`, and in a dry run. An API server that does not answer is away already: it waits for
    no other."""
    servers: Mapping[str, str] = {}
    if set(BASE) & set(names) and not run.dry_run:
        try:
            servers = other_servers(run)
        except ApiError as error:
            if not isinstance(error.__cause__, ApiUnreachableError):
                raise
    with turn(run, phase, etcd=ETCD in names, servers=servers) as members:
        yield members


@contextmanager
def turn(run: ClusterRun, phase: str, *, etcd: bool, servers: Mapping[str, str]) -> Iterator[int]:
    """Hold the Lease by which control planes take turns, where there is another one: one of `servers` (node → "address:port" of
    its API server), which all answer then, or with `etcd` a member, of which those that are needed are healthy. Gives the number
    of members, 0 without `etcd`. Held at the endpoint of all control planes: this node's own API server is away meanwhile."""
    from pykubeadm.kube.lease import held

    members = await_healthy_etcd(run) if etcd and not run.dry_run else 0
    if members < 2 and not servers:
        yield members
        return

    def report(reason: str) -> None:
        run.emit(Waiting(phase=phase, target="this node's turn", reason=reason))

    with held(connection.endpoint_api(run), LEASE, run.node_name, timeout=QUEUE, report=report):
        _await_servers(run, phase, servers)
        if etcd:
            await_healthy_etcd(run)  # the node before us may have replaced its member just now
        yield members


def other_servers(run: ClusterRun) -> dict[str, str]:
    """Node → "address:port" of its API server, of all but this node's."""
    from pykubeadm.kube.apply import retrying

    api = connection.cluster_api(run)
    pods = retrying(lambda: api.list("v1", "Pod", "kube-system", labels=_LABELS), api.call_timeout)
    return {node: endpoint for pod in pods if (node := _node(pod)) != run.node_name and (endpoint := _endpoint(pod))}


def _await_servers(run: ClusterRun, phase: str, servers: Mapping[str, str]) -> None:
    """PhaseError with the reason where one does not answer in time."""
    from pykubeadm.kube.waits import WaitError, wait_for
    from pykubeadm.phases.waiting import probe

    def report(target: str, reason: str) -> None:
        run.emit(Waiting(phase=phase, target=target, reason=reason))

    targets: dict[str, Probe] = {
        f"the API server of {node}": probe(run.node, connection.health_endpoint(run, f"https://{endpoint}/readyz"))
        for node, endpoint in servers.items()
    }
    try:
        wait_for(targets, run.configuration.this_node.timeouts.control_plane_component_health_check, report=report)
    except WaitError as error:
        hint = "this node's is not taken away meanwhile: start that one, or take its node out (`pykubeadm node remove`)"
        raise PhaseError(f"{error}; {hint}") from error


def _node(pod: Mapping[str, Any]) -> str:
    return str((pod.get("spec") or {}).get("nodeName") or "")


def _endpoint(pod: Mapping[str, Any]) -> str:
    return str((pod["metadata"].get("annotations") or {}).get(ENDPOINT_ANNOTATION) or "")
