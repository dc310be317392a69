"""etcd: its members, how large it is, and how long its disks take."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final
from urllib.parse import urlsplit

from pykubeadm.commands.doctor.check import Check, Remark, problem, unknown, warning
from pykubeadm.commands.doctor.cluster import ClusterView
from pykubeadm.errors import ApiError
from pykubeadm.kube.etcd_pods import NoEtcdctlError, ask_etcd, etcd_metrics, etcd_pods
from pykubeadm.kube.pod_state import is_ready
from pykubeadm.phases.static_pods.present import arguments
from pykubeadm.util.histogram import histogram
from pykubeadm.util.kube_object import KubeObject
from pykubeadm.util.side_by_side import side_by_side

_QUOTA: Final = 2 * 2**30  # bytes at which etcd refuses writes, unless --quota-backend-bytes says others; below 0 it never does
_LARGE: Final = 0.75  # of that
_AT_A_TIME: Final = 4
_SHARE: Final = 0.99
_FEWEST: Final = 200  # observations; of less one slow one may be the hundredth part
# Seconds that 99 of 100 should not take (etcd's FAQ, https://etcd.io/docs/v3.6/faq: p99 of either).
_DISK: Final = (
    ("etcd_disk_wal_fsync_duration_seconds", 0.010, "have a change of the log written to the disk"),
    ("etcd_disk_backend_commit_duration_seconds", 0.025, "have changes written to the database"),
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


def _latency(view: ClusterView) -> Iterable[Remark]:
    """By what each member has counted since it was started."""
    pods = [pod for pod in etcd_pods(view.api) if is_ready(pod)]

    def of(pod: KubeObject) -> list[Remark]:
        try:
            return list(_slow(pod, etcd_metrics(view.streams, pod)))
        except ApiError as error:
            return [unknown(f"how long etcd's disk on {pod['spec']['nodeName']} takes could not be read: {error}")]

    for remarks in side_by_side(of, pods, _AT_A_TIME):
        yield from remarks


def _slow(pod: KubeObject, metrics: str) -> Iterable[Remark]:
    for name, most, what in _DISK:
        found = histogram(metrics, name)
        if found.count >= _FEWEST and (took := found.quantile(_SHARE)) > most:
            yield warning(
                f"etcd on {pod['spec']['nodeName']} waits up to {took * 1000:.0f} ms to {what} (99 % of times since it was"
                f" started; it should be less than {most * 1000:.0f})",
                "give /var/lib/etcd a faster disk, or one that nothing else uses (iostat -x 1); a slow one costs leaders",
            )


CHECKS: Final = (
    Check("cluster/etcd", "etcd keeps the whole state of the cluster", _etcd),
    Check("cluster/etcd-latency", "each write to the cluster waits for the disks of etcd's members", _latency),
)
