"""The control plane: its components on each of its nodes, etcd's members, its leaders, and that one may fail."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from threading import Event, Thread
from typing import Any, Final

from pykubeadm.commands.verify.documents import pod as pod_document
from pykubeadm.commands.verify.documents import shell
from pykubeadm.commands.verify.row import NotServedError, NotShownError, Row
from pykubeadm.commands.verify.trial import Trial
from pykubeadm.errors import ApiError
from pykubeadm.kube.client import ClusterApi
from pykubeadm.kube.etcd_pods import NoEtcdctlError, ask_etcd, etcd_pods
from pykubeadm.kube.pod_state import is_ready, restarts, why_not_ready
from pykubeadm.kube.port import Api, ApiStatusError
from pykubeadm.util.kube_object import KubeObject
from pykubeadm.util.timestamp import parse_timestamp

_NAMESPACE: Final = "kube-system"
_COMPONENTS: Final = ("kube-apiserver", "kube-controller-manager", "kube-scheduler")
_LEADERS: Final = ("kube-controller-manager", "kube-scheduler")
_LEASE_MARGIN: Final = timedelta(seconds=5)


def _components(trial: Trial) -> str:
    planes = [node["metadata"]["name"] for node in trial.cluster.control_planes]
    pods = _static_pods(trial)
    if not planes or not pods:
        raise NotServedError("the control plane does not run as pods on Nodes of this cluster, so it cannot be looked at")
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
    if len(members) != state.listed:
        raise NotShownError(f"{len(members)} of etcd's {state.listed} members answer")
    leaders = {member.leader for member in members}
    if len(leaders) != 1 or 0 in leaders:
        raise NotShownError(f"etcd's members do not agree on a leader: {len(leaders)} are named")
    if learners := [member.endpoint for member in members if member.learner]:
        raise NotShownError(f"{', '.join(learners)} may not vote yet: an etcd member that is a learner")
    if state.alarms:
        raise NotShownError(f"etcd has raised the alarm {', '.join(state.alarms)}")
    size = max(member.bytes for member in members) / 2**20
    count = "the only member is healthy" if len(members) == 1 else f"{len(members)} members are healthy and agree on a leader"
    return f"{count}, version {members[0].version}, {size:.1f} MiB"


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


def _restart(trial: Trial) -> str:
    """One API server is ended while objects are written through whichever answers; those that were acknowledged must be there."""
    servers = _servers(trial)
    if len(servers) < 2:
        raise NotServedError("only one API server can be reached from here, without which nothing can be written")
    found = {node: pod for (node, component), pod in _static_pods(trial).items() if component == "kube-apiserver"}
    if not found:
        raise NotServedError("the API servers do not run as pods on Nodes of this cluster, so none can be ended")
    victim, pod = max(found.items())
    before = restarts(pod)
    stop = Event()
    written: list[str] = []
    writer = Thread(target=_write, args=(trial, servers, stop, written), daemon=True)
    writer.start()
    try:
        _end(trial, victim)

        def not_again() -> str | None:
            now = trial.cluster.api.get("v1", "Pod", pod["metadata"]["name"], _NAMESPACE)
            if now is None or restarts(now) <= before:
                return "it was not started again yet"
            return why_not_ready(now)

        trial.wait(f"the API server of {victim} to be back", not_again, 90)
    finally:
        stop.set()
        writer.join(timeout=30)
    for server in servers:
        there = {each["metadata"]["name"] for each in server.list("v1", "ConfigMap", trial.namespace)}
        if lost := [name for name in written if name not in there]:
            raise NotShownError(f"{len(lost)} of {len(written)} objects that were acknowledged are not at {server.server}")
    return f"the API server of {victim} was ended and came back; {len(written)} objects were written meanwhile, and all are there"


def _servers(trial: Trial) -> list[Api]:
    """Every API server by its own address; those that cannot be reached from here are left out."""
    found: list[Api] = []
    for url in _urls(trial):
        server = ClusterApi(trial.cluster.credentials, server=url)
        with suppress(ApiError):
            server.get("v1", "Namespace", trial.namespace)
            found.append(server)
    return found


def _urls(trial: Trial) -> Iterator[str]:
    for piece in trial.cluster.api.list("discovery.k8s.io/v1", "EndpointSlice", "default"):
        if (piece["metadata"].get("labels") or {}).get("kubernetes.io/service-name") == "kubernetes":
            port = (piece.get("ports") or [{}])[0].get("port")
            for endpoint in piece.get("endpoints") or ():
                for address in endpoint.get("addresses") or ():
                    yield f"https://{f'[{address}]' if ':' in address else address}:{port}"


def _write(trial: Trial, servers: list[Api], stop: Event, written: list[str]) -> None:
    """Objects one after the other, each through the next server that takes it."""
    number = 0
    while not stop.is_set():
        name = trial.name(f"write-{number}")
        metadata = {"name": name, "namespace": trial.namespace}
        document: KubeObject = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata}
        try:
            servers[number % len(servers)].create(document)
            written.append(name)
        except ApiStatusError as error:
            if error.code == 409:
                written.append(name)
        except ApiError:
            pass
        number += 1
        time.sleep(0.1)


def _end(trial: Trial, node: str) -> None:
    """Let the API server of a node end as by `kill`, from a container that sees the node's processes."""
    ours = '[ "$name" = kube-apiserver ] && kill ${each#/proc/}'
    script = f"for each in /proc/[0-9]*; do read -r name <$each/comm; {ours}; done; true"
    killer = shell(trial.cluster.shell, script, securityContext={"privileged": True})
    where = {"nodeName": node, "hostPID": True, "tolerations": [{"operator": "Exists"}]}
    trial.create(pod_document(trial.name("end"), killer, restartPolicy="Never", **where))
    trial.wait_ended(trial.name("end"), 30)


ROWS: Final = (
    Row("control-plane/components", "every component is ready on every control plane", _components),
    Row("control-plane/etcd", "etcd's members are healthy and agree", _etcd),
    Row("control-plane/leaders", "controller manager and scheduler have leaders", _leaders),
    Row("control-plane/restart", "an API server that ends costs no acknowledged write", _restart, needs_shell=True, alone=True),
)
