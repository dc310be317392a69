"""Takes machines out of a cluster: emptied, out of etcd, reset, forgotten."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING

from pykubeadm.config.fleet import Host
from pykubeadm.config.model import Timeouts
from pykubeadm.errors import PreflightError
from pykubeadm.fleet.admission import Open
from pykubeadm.fleet.cluster import etcd_of
from pykubeadm.fleet.progress import HostEvents
from pykubeadm.workflow.events import Note, PhaseFinished, PhaseStarted, Waiting

if TYPE_CHECKING:
    from pykubeadm.node.port import Node

DRAIN_TIMEOUT = timedelta(minutes=5)


def remove(cluster: Open, host: Host, node: Node, endpoint: str, emit: HostEvents) -> None:
    """Drain the host's Node, reset the machine, forget it. What lies in its emptyDirs goes with it. `endpoint` is the cluster's
    controlPlaneEndpoint."""
    from pykubeadm.phases.cluster.drain import drain

    if cluster.api.get("v1", "Node", host.name) is not None:
        emit(PhaseStarted(phase="drain", summary="move its pods to other nodes"))

        def waiting(reason: str) -> None:
            emit(Waiting(phase="drain", target="its pods to go", reason=reason))

        changes = drain(cluster.api, host.name, DRAIN_TIMEOUT, delete_emptydir_data=True, report=waiting)
        emit(PhaseFinished(phase="drain", outcome="changed", changes=tuple(changes)))
    reset_node(node, emit)
    forget(cluster, host.name, endpoint, emit)


def reset_node(node: Node, emit: HostEvents, *, certificates_dir: str | None = None, skip_phases: Sequence[str] = ()) -> None:
    """Take away what init or join made on the machine. Where the certificates are, control planes say themselves, hosts of etcd
    alone do not."""
    from pykubeadm.commands.reset.command import reset
    from pykubeadm.commands.reset.phases import PHASES
    from pykubeadm.workflow.phase import without

    reset(
        {"force": True, "cert_dir": certificates_dir},
        emit,
        confirm=lambda: True,
        choose=lambda skipped: without(PHASES, (*skipped, *skip_phases)),
        machine=node,
    )


def forget(cluster: Open, name: str, endpoint: str, emit: HostEvents) -> None:
    """Remove what the cluster has of a machine: its member of etcd, its Node, and what else goes with it. PreflightError where
    etcd would lose its majority."""
    from pykubeadm.phases.cluster.leaving import look_at, remove_objects, require_spare, right_endpoint
    from pykubeadm.phases.etcd.leave import remove_member

    def report(target: str, reason: str) -> None:
        emit(Waiting(phase="forget", target=target, reason=reason))

    emit(PhaseStarted(phase="forget", summary="remove what the cluster has of it"))
    changes: list[str] = []
    etcd = etcd_of(cluster.node, cluster.api)
    try:
        leaving = look_at(cluster.api, etcd, name)
    except PreflightError:  # it is gone already
        emit(PhaseFinished(phase="forget", outcome="unchanged"))
        return
    if etcd is not None and leaving.member is not None:
        require_spare(leaving, etcd)
        changes.append(remove_member(etcd, leaving.members, leaving.member, Timeouts().etcd_api_call, report=report))
    changes += remove_objects(cluster.api, leaving)
    righted, sentence = right_endpoint(cluster.api, leaving, endpoint)
    changes += righted
    if sentence:
        emit(Note(level="warning", topic="", message=sentence))
    emit(PhaseFinished(phase="forget", outcome="changed", changes=tuple(changes)))
