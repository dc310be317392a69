"""The control plane: its components on each of its nodes, etcd's members, its leaders, and that one may fail."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import count
from threading import Event, Thread
from typing import Any, Final
from urllib.parse import urlsplit

from pykubeadm.commands.verify.documents import pod as pod_document
from pykubeadm.commands.verify.documents import shell
from pykubeadm.commands.verify.row import NotServedError, NotShownError, Row
from pykubeadm.commands.verify.trial import Trial
from pykubeadm.errors import ApiError
from pykubeadm.kube.api_servers import api_servers
from pykubeadm.kube.client import ClusterApi
from pykubeadm.kube.clocks import APART, compare_clocks
from pykubeadm.kube.etcd_pods import NoEtcdctlError, ask_etcd, etcd_pods
from pykubeadm.kube.pod_state import is_ready, restarts, why_not_ready
from pykubeadm.kube.port import Api
from pykubeadm.util.kube_object import KubeObject
from pykubeadm.util.timestamp import parse_timestamp

_NAMESPACE: Final = "kube-system"
_COMPONENTS: Final = ("kube-apiserver", "kube-controller-manager", "kube-scheduler")
_LEADERS: Final = ("kube-controller-manager", "kube-scheduler")
_LEASE_MARGIN: Final = timedelta(seconds=5)
_WRITE_EVERY: Final = 0.1  # seconds
# Sees the node's processes. The kernel keeps 15 characters of a program's name (TASK_COMM_LEN).
_END_API_SERVER: Final = (
    'for each in /proc/[0-9]*; do read -r name <$each/comm; case "$name" in kube-apiserver*) kill ${each#/proc/};; esac; done;'
    " true"
)


def _components(trial: Trial) -> str:
    planes = [node["metadata"]["name"] for node in trial.cluster.control_planes]
    pods = _static_pods(trial)
    if not planes or not pods:
        raise NotServedError("the control plane does not run as pods on Nodes of this cluster, so it cannot be checked")
    wanted = (*_COMPONENTS, "etcd") if any(component == "etcd" for _, component in pods) else _COMPONENTS
    wrong = [
        f"{component} on {node}: {why_not_ready(pods[node, component]) if (node, component) in pods else 'it has no pod'}"
        for node in planes
        for component in wanted
        if (node, component) not in pods or not is_ready(pods[node, component])
    ]
    if wrong:
        raise NotShownError("; ".join(wrong))
    again = sum(map(restarts, pods.values()))
    return f"{', '.join(wanted)} are ready on {', '.join(planes)}" + (f" (started again {again} times)" if again else "")


def _static_pods(trial: Trial) -> dict[tuple[str, str], KubeObject]:
    """By node and component."""
    found = trial.cluster.api.list("v1", "Pod", _NAMESPACE, labels={"tier": "control-plane"})
    return {(pod["spec"].get("nodeName", ""), (pod["metadata"]["labels"]).get("component", "")): pod for pod in found}


def _etcd(trial: Trial) -> str:
    """Each member's pod, and then all members together."""
    pods = etcd_pods(trial.cluster.api)
    if not pods:
        raise NotServedError("etcd does not run as pods of this cluster: it is external, and cannot be asked from here")
    for pod in pods:
        if (why := why_not_ready(pod)) is not None:
            raise NotShownError(f"etcd on {pod['spec']['nodeName']}: {why}")
    try:
        state = ask_etcd(trial.cluster.streams, pods[0])
    except NoEtcdctlError as error:
        raise NotServedError(str(error)) from error
    members = state.members
    if state.silent:
        raise NotShownError(f"of etcd's {len(members) + len(state.silent)} members {', '.join(state.silent)} does not answer")
    leaders = {member.leader for member in members}
    if len(leaders) != 1 or 0 in leaders:
        raise NotShownError(f"etcd's members do not agree on a leader: {len(leaders)} are named")
    if learners := [member.endpoint for member in members if member.learner]:
        raise NotShownError(f"{', '.join(learners)} may not vote yet: an etcd member that is a learner")
    if state.alarms:
        raise NotShownError(f"etcd has raised the alarm {', '.join(state.alarms)}")
    size = max(member.bytes for member in members) / 2**20
    healthy = "the only member is healthy" if len(members) == 1 else f"{len(members)} members are healthy and agree on a leader"
    return f"{healthy}, version {members[0].version}, {size:.1f} MiB"


def _leaders(trial: Trial) -> str:
    """Each has a holder that renews its Lease."""
    said = []
    for component in _LEADERS:
        lease = trial.cluster.api.get("coordination.k8s.io/v1", "Lease", component, _NAMESPACE)
        if lease is None:
            raise NotServedError(f"{component} elects no leader: there is no Lease of it (--leader-elect=false)")
        first = lease["spec"].get("renewTime")
        duration = int(lease["spec"].get("leaseDurationSeconds") or 15)

        def old(component: str = component, first: object = first, lease: KubeObject = lease) -> str | None:
            found = trial.cluster.api.get("coordination.k8s.io/v1", "Lease", component, _NAMESPACE) or lease
            return None if found["spec"].get("renewTime") != first else _stale(found)

        trial.wait(f"{component}'s leader to renew its Lease", old, duration + _LEASE_MARGIN.total_seconds())
        said.append(f"{component}: {str(lease['spec'].get('holderIdentity')).partition('_')[0]}")
    return f"{', '.join(said)} lead and renew their Leases"


def _stale(lease: Mapping[str, Any]) -> str:
    age = datetime.now(UTC) - parse_timestamp(lease["spec"]["renewTime"])
    return f"{lease['spec'].get('holderIdentity') or 'nobody'} renewed it {age.total_seconds():.0f} s ago"


def _clocks(trial: Trial) -> str:
    """Of each node by its kubelet's Lease, of each API server that can be reached from here by its answers."""
    found = compare_clocks(trial.cluster.api, lambda: datetime.now(UTC))
    if not found.nodes:
        raise NotServedError("no kubelet's Lease says when it was written, so clocks cannot be compared")
    if found.apart:
        raise NotShownError("; ".join(map(str, found.apart)))
    servers = f" and of {len(found.servers)} API servers" if len(found.servers) > 1 else ""
    count = f"{len(found.nodes)} node{'s' if len(found.nodes) > 1 else ''}"
    return f"the clocks of {count}{servers} agree within {APART.total_seconds():.0f} s"


def _restart(trial: Trial) -> str:
    """One API server is ended while objects are written through all; those that were acknowledged must be at each of them."""
    servers = _servers(trial)
    if len(servers) < 2:
        raise NotServedError("only one API server can be reached from here, without which nothing can be written")
    pods = {
        str((pod.get("status") or {}).get("hostIP")): pod
        for (_, component), pod in _static_pods(trial).items()
        if component == "kube-apiserver"
    }
    ours = urlsplit(trial.cluster.credentials.server).hostname
    victims = sorted(pods.keys() & servers, key=lambda address: (address == ours, address))
    if not victims:
        raise NotServedError("the API servers do not run as pods on Nodes of this cluster, so none can be ended")
    survivor = next(server for address, server in servers.items() if address != victims[0])
    watching = replace(trial, cluster=replace(trial.cluster, api=survivor))
    written = _written_meanwhile(trial, list(servers.values()), lambda: _end(watching, pods[victims[0]]))
    for address, server in servers.items():
        there = {each["metadata"]["name"] for each in server.list("v1", "ConfigMap", trial.namespace)}
        if lost := [name for name in written if name not in there]:
            raise NotShownError(f"{len(lost)} of {len(written)} objects that were acknowledged are not at {address}")
    with suppress(NotServedError):
        _leaders(watching)  # those that lost their Lease with the API server have successors
    node = pods[victims[0]]["spec"]["nodeName"]
    return f"the API server of {node} was ended and came back; {len(written)} objects were written meanwhile, and all are there"


def _servers(trial: Trial) -> dict[str, Api]:
    """Every API server by its own address; those that cannot be reached from here are left out."""
    found: dict[str, Api] = {}
    for address, url in api_servers(trial.cluster.api):
        server = ClusterApi(trial.cluster.credentials, server=url)
        with suppress(ApiError):
            server.get("v1", "Namespace", trial.namespace)
            found[address] = server
    return found


def _written_meanwhile(trial: Trial, servers: Sequence[Api], act: Callable[[], None]) -> list[str]:
    """The names of ConfigMaps that were acknowledged while `act` ran: one after the other, each through the next server."""
    stop, written = Event(), list[str]()

    def write() -> None:
        for number in count():
            metadata = {"name": trial.name(f"write-{number}"), "namespace": trial.namespace}
            with suppress(ApiError):  # the server that is being ended
                servers[number % len(servers)].create({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata})
                written.append(metadata["name"])
            if stop.wait(_WRITE_EVERY):
                return

    writer = Thread(target=write, daemon=True)
    writer.start()
    try:
        act()
    finally:
        stop.set()
        writer.join(timeout=30)
    return written


def _end(trial: Trial, server: KubeObject) -> None:
    """Let the API server of a static pod end as by `kill`, and wait until it is back."""
    name, node, before = server["metadata"]["name"], server["spec"]["nodeName"], restarts(server)
    # Only privileged containers may signal processes that AppArmor does not confine.
    killer = shell(trial.cluster.shell, _END_API_SERVER, securityContext={"privileged": True})
    where = {"nodeName": node, "hostPID": True, "tolerations": [{"operator": "Exists"}]}
    trial.create(pod_document(trial.name("end"), killer, restartPolicy="Never", **where))

    def not_again() -> str | None:
        found = trial.cluster.api.get("v1", "Pod", name, _NAMESPACE)
        if found is None or restarts(found) <= before:
            return "it was not started again yet"
        return why_not_ready(found)

    trial.wait(f"the API server of {node} to be back", not_again)


ROWS: Final = (
    Row("control-plane/components", "every component is ready on every control plane", _components),
    Row("control-plane/etcd", "etcd's members are healthy and agree", _etcd),
    Row("control-plane/leaders", "controller manager and scheduler have leaders", _leaders),
    Row("control-plane/clocks", "the clocks of all nodes agree", _clocks),
    Row("control-plane/restart", "an API server that ends costs no acknowledged write", _restart, needs_shell=True, alone=True),
)
