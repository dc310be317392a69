"""The control plane: its components on each of its nodes, etcd's members, its leaders."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from pykubeadm.commands.verify.row import NotServedError, NotShownError, Row
from pykubeadm.commands.verify.trial import Trial
from pykubeadm.kube.etcd_pods import NoEtcdctlError, ask_etcd, etcd_pods
from pykubeadm.kube.pod_state import is_ready, restarts, why_not_ready
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


ROWS: Final = (
    Row("control-plane/components", "every component is ready on every control plane", _components),
    Row("control-plane/etcd", "etcd's members are healthy and agree", _etcd),
    Row("control-plane/leaders", "controller manager and scheduler have leaders", _leaders),
)
