"""Takes machines out of a cluster: emptied, out of etcd, reset, forgotten."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING

from pykubeadm.config.fleet import Host
from pykubeadm.config.model import Timeouts
from pykubeadm.errors import PreflightError
from pykubeadm.fleet.admission import Open
from pykubeadm.fleet.cluster import etcd_of
from pykubeadm.fleet.progress import HostEvents
from pykubeadm.node.port import Unit
from pykubeadm.phases.cluster.drain_timeout import DRAIN_TIMEOUT
from pykubeadm.workflow.events import Note, PhaseFinished, PhaseStarted, Waiting

if TYPE_CHECKING:
    from pykubeadm.etcd.client import EtcdClient
    from pykubeadm.node.port import Node
    from pykubeadm.phases.cluster.leaving import Leaving

LOAD_BALANCER_UNITS = ("haproxy.service", "keepalived.service")
_TURN = threading.Lock()  # of members, which leave one after the other: whom etcd can spare depends on who has left it


def remove(cluster: Open, host: Host, node: Node, endpoint: str, emit: HostEvents) -> None:
    """Drain the host's Node, take its member out of etcd, reset the machine, forget it. What lies in its emptyDirs goes with it.
    `endpoint` is the cluster's controlPlaneEndpoint. PreflightError, before anything is changed, where etcd would lose its
    majority: a machine whose member remains is not reset."""
    from pykubeadm.phases.cluster.leaving import require_spare

    etcd = etcd_of(cluster.node, cluster.api)
    leaving = _known(cluster, etcd, host.name)
    if leaving is not None:
        require_spare(leaving, etcd)
        _drain(cluster, leaving, emit)
    if leaving is not None and leaving.is_control_plane and etcd is not None:
        _leave_etcd(cluster, etcd, host.name, emit)
    reset_node(node, emit, skip_phases=("remove-etcd-member",) if leaving is not None and etcd is not None else ())
    forget(cluster, host.name, endpoint, emit)


def _known(cluster: Open, etcd: EtcdClient | None, name: str) -> Leaving | None:
    """What the cluster has of a machine; None where that is nothing."""
    from pykubeadm.phases.cluster.leaving import look_at

    try:
        return look_at(cluster.api, etcd, name)
    except PreflightError:
        return None


def _drain(cluster: Open, leaving: Leaving, emit: HostEvents) -> None:
    from pykubeadm.phases.cluster.leaving import drain_while_ready

    if leaving.node is None:
        return
    emit(PhaseStarted(phase="drain", summary="move its pods to other nodes"))

    def waiting(reason: str) -> None:
        emit(Waiting(phase="drain", target="its pods to go", reason=reason))

    changes = drain_while_ready(cluster.api, leaving.name, DRAIN_TIMEOUT, delete_emptydir_data=True, report=waiting)
    if changes is None:
        reason = "its Node is not Ready: its pods go with it"
        emit(PhaseFinished(phase="drain", outcome="skipped", reason=reason))
        return
    emit(PhaseFinished(phase="drain", outcome="changed", changes=tuple(changes)))


def _leave_etcd(cluster: Open, etcd: EtcdClient, name: str, emit: HostEvents) -> None:
    """Take the machine's member out of etcd, as another control plane sees it now. PreflightError where it cannot be spared."""
    from pykubeadm.phases.cluster.leaving import require_spare
    from pykubeadm.phases.etcd.leave import remove_member

    def report(target: str, reason: str) -> None:
        emit(Waiting(phase="etcd-member", target=target, reason=reason))

    with _TURN:
        leaving = _known(cluster, etcd, name)
        if leaving is None or leaving.member is None:
            return
        emit(PhaseStarted(phase="etcd-member", summary="take its member out of etcd"))
        require_spare(leaving, etcd)
        done = remove_member(etcd, leaving.members, leaving.member, Timeouts().etcd_api_call, report=report)
    emit(PhaseFinished(phase="etcd-member", outcome="changed", changes=(done,)))


def reset_node(node: Node, emit: HostEvents, *, certificates_dir: str | None = None, skip_phases: Sequence[str] = ()) -> None:
    """Take away what init or join made on the machine. Where the certificates are, control planes say themselves, hosts of etcd
    alone do not."""
    from pykubeadm.commands.reset.command import reset
    from pykubeadm.commands.reset.phases import PHASES
    from pykubeadm.workflow.phase import without

    reset(
        {"cert_dir": certificates_dir},
        emit,
        confirm=lambda: True,
        choose=lambda skipped: without(PHASES, (*skipped, *skip_phases)),
        machine=node,
    )


def stop_balancing(node: Node, emit: HostEvents) -> None:
    """The load balancer gives its address up, and does not start again; its configuration stays."""
    units = [Unit(name, enabled=False, state="stopped") for name in LOAD_BALANCER_UNITS]
    changes = [f"{unit.name} {done}" for unit in units for done in node.ensure_unit(unit)]
    emit(PhaseFinished(phase="load-balancer", outcome="changed" if changes else "unchanged", changes=tuple(changes)))


def forget(cluster: Open, name: str, endpoint: str, emit: HostEvents) -> None:
    """Remove what the cluster has of a machine: its member of etcd, its Node, and what else goes with it. PreflightError where
    etcd would lose its majority."""
    from pykubeadm.phases.cluster.leaving import remove_objects, right_endpoint

    etcd = etcd_of(cluster.node, cluster.api)
    leaving = _known(cluster, etcd, name)
    if leaving is not None and leaving.is_control_plane and etcd is not None:
        _leave_etcd(cluster, etcd, name, emit)
    emit(PhaseStarted(phase="forget", summary="remove what the cluster has of it"))
    if leaving is None:  # it is gone already
        emit(PhaseFinished(phase="forget", outcome="unchanged"))
        return
    changes = remove_objects(cluster.api, leaving)
    righted, sentence = right_endpoint(cluster.api, leaving, endpoint)
    changes += righted
    if sentence:
        emit(Note(level="warning", topic="", message=sentence))
    emit(PhaseFinished(phase="forget", outcome="changed", changes=tuple(changes)))
