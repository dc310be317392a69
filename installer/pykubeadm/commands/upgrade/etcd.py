"""What etcd needs beyond other components: its members healthy before, one node at a time, a snapshot, and its data put back."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from pykubeadm.commands.upgrade.copies import new_directory, remove_oldest
from pykubeadm.commands.upgrade.run import UpgradeRun
from pykubeadm.errors import PhaseError
from pykubeadm.node.port import Unit

if TYPE_CHECKING:
    from pykubeadm.commands.upgrade.record import Record
    from pykubeadm.etcd.client import EtcdClient, Member
    from pykubeadm.util.kube_object import KubeObject

LEASE: Final = "pykubeadm-etcd-upgrade"
_KIND: Final = "kubeadm-backup-etcd"
_QUEUE: Final = timedelta(minutes=10)  # for all that are before us


def require_healthy_etcd(run: UpgradeRun) -> tuple[Member, ...]:
    """All members; PhaseError where etcd could not do without this one while it is replaced."""
    from pykubeadm.etcd.client import EtcdError
    from pykubeadm.phases.etcd.members import own_etcd_client

    try:
        client = own_etcd_client(run)
        members = client.members()
        problem = members_problem(run, members, client)
    except EtcdError as error:
        raise PhaseError(f"etcd is not changed, as it is not healthy: {error}") from error
    if problem:
        raise PhaseError(f"etcd is not changed: {problem}")
    return members


def members_problem(run: UpgradeRun, members: Sequence[Member], client: EtcdClient) -> str:
    """Why this node's member must not be replaced now, "" where it may be."""
    from pykubeadm.etcd.removal import own_member
    from pykubeadm.manifests.addresses import etcd_peer_url

    url = etcd_peer_url(run.configuration.this_node.local_api_endpoint.advertise_address)
    own = own_member(members, name=run.node_name, peer_urls=[url])
    if own is None:
        return f"this node's member ({run.node_name}, {url}) is not among its members: {'; '.join(map(str, members))}"
    learners = [member for member in members if member.learner]
    if learners:
        return (
            f"{', '.join(map(str, learners))} does not vote yet; wait until its node has joined, or remove it with "
            "`etcdctl member remove`"
        )
    unhealthy = client.unhealthy(members)
    if own.id in unhealthy:
        return f"this node's member is not healthy: {unhealthy[own.id]}"
    left = [member for member in members if member.id != own.id and member.id not in unhealthy]
    if unhealthy and len(left) * 2 <= len(members):
        reasons = "; ".join(f"{member} is not healthy: {unhealthy[member.id]}" for member in members if member.id in unhealthy)
        return f"without this node's member it would have no majority, and the cluster would stop: {reasons}"
    return ""


@contextmanager
def etcds_turn(run: UpgradeRun, *, wanted: bool) -> Iterator[int]:
    """Where it is `wanted` and etcd has several members: hold the queue in which they are replaced, with all of them healthy.
    Gives the number of members, 0 where it is not asked for."""
    from pykubeadm.kube.lease import held
    from pykubeadm.phases.cluster.connection import cluster_api
    from pykubeadm.workflow.events import Waiting

    members = len(require_healthy_etcd(run)) if wanted and not run.dry_run else 0
    if members < 2:
        yield members
        return

    def report(reason: str) -> None:
        run.emit(Waiting(phase="control-plane", target="the turn of this node's etcd member", reason=reason))

    with held(cluster_api(run), LEASE, run.node_name, timeout=_QUEUE, report=report):
        _await_others(run)
        yield members


def _await_others(run: UpgradeRun) -> None:
    """The node before us may have replaced its member just now."""
    from pykubeadm.phases.etcd.members import own_etcd_client, wait_for_others

    client = own_etcd_client(run)
    wait_for_others(run, "control-plane", "etcd's members", lambda: members_problem(run, client.members(), client) or None)


def take_snapshot(run: UpgradeRun) -> str:
    """The path of a snapshot of this node's member; "" in a dry run. The newest are kept."""
    from pykubeadm.etcd.snapshot import save_snapshot
    from pykubeadm.phases.etcd.members import own_endpoint, own_etcd_client

    if run.dry_run:
        return ""
    place = new_directory(run, _KIND)
    path = f"{place}/snapshot.db"
    save_snapshot(run.node, own_etcd_client(run), own_endpoint(run), path)
    remove_oldest(run, _KIND)
    return path


def restore_data(run: UpgradeRun, record: Record) -> None:
    """The former etcd does not start on its data any more: put back those of the snapshot, and have the API server read them.
    PhaseError, which says what to do, where that is not the way."""
    from pykubeadm.commands.upgrade.replacing import PHASE, await_component, place_manifest
    from pykubeadm.phases.etcd.restore import restore_snapshot
    from pykubeadm.phases.static_pods.restart import restart_components

    if record.etcd_members != 1:
        raise PhaseError(
            f"this node's etcd does not start on its data any more; the other {record.etcd_members - 1} members have them: take "
            "this node out (`pykubeadm reset`) and have it join again"
        )
    content, pod = former_manifest(run, record)
    aside = restore_snapshot(run, pod, record.snapshot, PHASE)
    place_manifest(run, "etcd", content)
    await_component(run, "etcd", "")
    run.note(
        "warning",
        f"etcd's data are those of the snapshot {record.snapshot}: what was written since is lost, and kept in {aside}",
        topic=PHASE,
    )
    run.node.ensure_unit(Unit("kubelet", enabled=None, state="restarted"))  # starts at once what ended while etcd was away
    restart_components(run, ("kube-apiserver",), phase=PHASE)


def former_manifest(run: UpgradeRun, record: Record) -> tuple[bytes, KubeObject]:
    """etcd's, as it was before the upgrade: its content, and the Pod in it."""
    from pykubeadm.phases.documents import read_document

    path = f"{record.manifests}/etcd.yaml"
    document, content = read_document(run.node, path), run.node.read(path)
    if document is None or content is None:
        raise PhaseError(f"{path}, the copy of etcd's manifest, is gone")
    return content, document.data


def lacks_data(run: UpgradeRun, record: Record) -> bool:
    """Whether etcd would begin an empty cluster: its data were being put back when an earlier run was killed."""
    from pykubeadm.phases.etcd.restore import has_data

    return bool(record.snapshot) and not has_data(run, former_manifest(run, record)[1])
