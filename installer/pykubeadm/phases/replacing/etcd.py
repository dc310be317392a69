"""What etcd needs beyond other components: its members healthy before, a snapshot, and its data put back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from pykubeadm.errors import PhaseError
from pykubeadm.node.port import Unit
from pykubeadm.phases.replacing.copies import new_directory, remove_oldest
from pykubeadm.phases.replacing.run import ReplacingRun
from pykubeadm.phases.replacing.static_pod import PHASE

if TYPE_CHECKING:
    from pykubeadm.etcd.client import EtcdClient, Member
    from pykubeadm.phases.replacing.record import Record
    from pykubeadm.phases.run import ClusterRun
    from pykubeadm.util.kube_object import KubeObject

_KIND: Final = "kubeadm-backup-etcd"


def await_healthy_etcd(run: ClusterRun) -> int:
    """How many members there are, once etcd could do without this node's while it is replaced: another may be replaced just now.
    PhaseError where that does not come."""
    from pykubeadm.etcd.client import EtcdError
    from pykubeadm.phases.etcd.members import own_etcd_client, wait_for_others

    client = own_etcd_client(run)
    members: list[Member] = []

    def problem() -> str | None:
        members[:] = client.members()
        return members_problem(run, members, client) or None

    try:
        wait_for_others(run, PHASE, "etcd's members", problem)
    except (EtcdError, PhaseError) as error:
        raise PhaseError(f"etcd is not changed: {error}") from error
    return len(members)


def members_problem(run: ClusterRun, members: Sequence[Member], client: EtcdClient) -> str:
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


def take_snapshot(run: ReplacingRun) -> str:
    """The path of a snapshot of this node's member; "" in a dry run. The newest are kept."""
    from pykubeadm.etcd.snapshot import save_snapshot
    from pykubeadm.phases.etcd.members import own_endpoint, own_etcd_client

    if run.dry_run:
        return ""
    place = new_directory(run, _KIND)
    path = f"{place}/snapshot.db"
    save_snapshot(run.node, own_etcd_client(run), own_endpoint(run), path)
    remove_oldest(run, _KIND, place)
    return path


def restore_data(run: ReplacingRun, record: Record) -> None:
    """The former etcd does not start on its data any more: put back those of the snapshot, and have the API server read them.
    PhaseError, which says what to do, where that is not the way."""
    from pykubeadm.phases.etcd.restore import restore_snapshot
    from pykubeadm.phases.replacing.static_pod import await_component, place_manifests
    from pykubeadm.phases.static_pods.restart import restart_components

    if record.etcd_members != 1:
        raise PhaseError(
            f"this node's etcd does not start on its data any more; the other {record.etcd_members - 1} members have them: take "
            "this node out (`pykubeadm reset`) and have it join again"
        )
    content, pod = former_manifest(run, record)
    aside = restore_snapshot(run, pod, record.snapshot, PHASE)
    place_manifests(run, {"etcd": content})
    await_component(run, "etcd", "")
    run.note(
        "warning",
        f"etcd's data are those of the snapshot {record.snapshot}: what was written since is lost"
        + (f", and kept in {aside}" if aside else ""),
        topic=PHASE,
    )
    run.node.ensure_unit(Unit("kubelet", enabled=None, state="restarted"))  # starts at once what ended while etcd was away
    restart_components(run, ("kube-apiserver",), phase=PHASE)


def former_manifest(run: ReplacingRun, record: Record) -> tuple[bytes, KubeObject]:
    """etcd's, as it was before: its content, and the Pod in it."""
    from pykubeadm.phases.documents import read_document

    path = f"{record.manifests}/etcd.yaml"
    document, content = read_document(run.node, path), run.node.read(path)
    if document is None or content is None:
        raise PhaseError(f"{path}, the copy of etcd's manifest, is gone")
    return content, document.data


def lacks_data(run: ReplacingRun, record: Record) -> bool:
    """Whether etcd would begin an empty cluster: its data were being put back when an earlier run was killed."""
    from pykubeadm.phases.etcd.restore import has_data

    return bool(record.snapshot) and not has_data(run, former_manifest(run, record)[1])
