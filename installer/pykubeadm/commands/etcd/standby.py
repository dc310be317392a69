"""`etcd stop` and `etcd start`: this node's control plane and etcd make room while another node restores, and come back as they
were where it did not."""

from __future__ import annotations

from pykubeadm.commands.etcd import restoring
from pykubeadm.commands.etcd.run import EtcdRun
from pykubeadm.errors import PhaseError
from pykubeadm.etcd.client import EtcdError
from pykubeadm.phases.etcd.manifest import members_on_disk, own_client
from pykubeadm.phases.static_pods.stopped import CONTROL_PLANE, EVERYTHING, is_stopped, start, stop
from pykubeadm.workflow.phase import Changes, Phase


def _stop(run: EtcdRun) -> Changes:
    return stop(run, EVERYTHING, "stop")


def _check_cluster(run: EtcdRun) -> None:
    """Data of a cluster that another node has replaced must not come back."""
    if not is_stopped(run.node, "etcd"):
        return
    manifest = run.manifest
    known = {member.id for member in members_on_disk(run.node, manifest) if member.name == manifest.name}
    try:
        client = own_client(run.node, manifest)
    except EtcdError as error:
        run.note("warning", f"whether etcd was restored elsewhere is not known: {error}", topic="check")
        return
    others = [url for url in client.endpoints if url not in manifest.client_urls]
    try:
        members = client.at(others).members() if others else ()
    except EtcdError:
        return  # none that has a majority: nothing to contradict
    if not members or known & {member.id for member in members}:
        return
    raise PhaseError(
        f"etcd was restored elsewhere ({', '.join(map(str, members))}), and this node's data are those of before: run `pykubeadm "
        "etcd rejoin` here"
    )


def _start_etcd(run: EtcdRun) -> Changes:
    """Health would need a majority, which members that start one after the other have only at the end."""
    return start(run, ("etcd",), "etcd", await_health=False)


def _start_control_plane(run: EtcdRun) -> Changes:
    """With it etcd lives on: what an interrupted restore or recovery has kept to go on with is of the past."""
    changes = start(run, CONTROL_PLANE[::-1], "control-plane")
    restoring.finish(run.node)
    return changes


STOP: tuple[Phase[EtcdRun], ...] = (
    Phase(name="stop", summary="Stop the control plane and etcd on this node", apply=_stop, unchanged="they are stopped"),
)
START: tuple[Phase[EtcdRun], ...] = (
    Phase(name="check", summary="Check that no other etcd took this one's place", verify=_check_cluster),
    Phase(name="etcd", summary="Start etcd as it was", apply=_start_etcd, unchanged="it was not stopped"),
    Phase(name="control-plane", summary="Start the control plane", apply=_start_control_plane, unchanged="it was not stopped"),
)
