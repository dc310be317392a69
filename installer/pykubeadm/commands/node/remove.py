"""`node remove`: a node leaves the cluster for good, dead or alive, the first control plane as any other."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from pykubeadm.commands.execute import execute
from pykubeadm.commands.existing import connect, existing
from pykubeadm.errors import PhaseError, UsageError
from pykubeadm.node.journal import Journal
from pykubeadm.node.journaled import JournaledNode
from pykubeadm.phases.run import ClusterRun
from pykubeadm.util.dataclass import dataclass
from pykubeadm.workflow.events import Note, Waiting
from pykubeadm.workflow.phase import Changes, Phase, steps

if TYPE_CHECKING:
    from pykubeadm.config.source import Source
    from pykubeadm.etcd.client import EtcdClient
    from pykubeadm.node.port import Node
    from pykubeadm.phases.cluster.leaving import Leaving
    from pykubeadm.workflow.events import Subscriber


@dataclass(slots=True, kw_only=True)
class RemovalRun(ClusterRun):
    """One removal, on another control plane. `api` is connected."""

    leaves: str  # the node's name
    drain_timeout: timedelta
    delete_emptydir_data: bool
    found: Leaving | None = None  # once it was looked at

    @property
    def leaving(self) -> Leaving:
        assert self.found is not None  # noqa: S101
        return self.found


def remove(name: str, options: Mapping[str, Any], emit: Subscriber, *, machine: Node, source: Source | None = None) -> None:
    """Remove the node `name`. PreflightError with nothing changed where the cluster would not live on, or does not know it."""
    run = _begin(name, options, emit, machine, source)
    execute(f"node remove {name}", tuple(steps(PHASES)), run, node_name=run.node_name)


def _begin(name: str, options: Mapping[str, Any], emit: Subscriber, machine: Node, source: Source | None) -> RemovalRun:
    from pykubeadm.phases.cluster.drain_timeout import drain_timeout

    timeout = drain_timeout(options.get("drain_timeout"))
    found = existing(options, emit, machine=machine, source=source)
    if found.node.stat(found.kubeconfig) is None:
        raise PhaseError(f"{found.kubeconfig} does not exist: run this on a control plane, or give the kubeconfig (--kubeconfig)")

    def warn(message: str) -> None:
        emit(Note(level="warning", topic="", message=message))

    configuration = found.configuration
    journal = Journal(found.node)
    run = RemovalRun(
        configuration=configuration,
        node=JournaledNode(found.node, journal),
        host=found.host,
        journal=journal,
        emit=emit,
        now=machine.now,
        kubeconfig_path=found.kubeconfig,
        api=connect(found.node, found.kubeconfig, warn, call_timeout=configuration.this_node.timeouts.kubernetes_api_call),
        leaves=name,
        drain_timeout=timeout,
        delete_emptydir_data=bool(options.get("delete_emptydir_data")),
    )
    if name == run.node_name:
        raise UsageError(f"{name} is this node: run `pykubeadm reset` here, then `pykubeadm node remove {name}` on another one")
    return run


def _client(run: RemovalRun) -> EtcdClient | None:
    from pykubeadm.phases.etcd.members import etcd_client

    return None if run.configuration.cluster.etcd.external is not None else etcd_client(run)


def _look(run: RemovalRun) -> None:
    from pykubeadm.phases.cluster.connection import admin_api
    from pykubeadm.phases.cluster.leaving import look_at, require_spare

    client = _client(run)
    run.found = look_at(admin_api(run), client, run.leaves)
    require_spare(run.leaving, client)


def _is_ready(run: RemovalRun) -> bool:
    """A node that is dead ends no pods: they go with its Node."""
    from pykubeadm.phases.cluster.connection import admin_api
    from pykubeadm.phases.cluster.leaving import look_at

    run.found = run.found or look_at(admin_api(run), _client(run), run.leaves)
    return run.leaving.ready


def _drain(run: RemovalRun) -> Changes:
    from pykubeadm.phases.cluster.connection import admin_api
    from pykubeadm.phases.cluster.leaving import drain_while_ready, look_at

    def report(reason: str) -> None:
        run.emit(Waiting(phase="drain", target=f"node {run.leaves} to be empty", reason=reason))

    api = admin_api(run)
    changes = drain_while_ready(api, run.leaves, run.drain_timeout, delete_emptydir_data=run.delete_emptydir_data, report=report)
    if changes is None:
        run.found = look_at(api, _client(run), run.leaves)
        run.note("info", f"{run.leaves} is no longer Ready: its pods go with its Node", topic="drain")
    return changes or []


def _has_member(run: RemovalRun) -> bool:
    return run.leaving.member is not None


def _remove_member(run: RemovalRun) -> Changes:
    from pykubeadm.phases.etcd.leave import remove_member

    client, leaving = _client(run), run.leaving
    if client is None or leaving.member is None:
        return []

    def report(target: str, reason: str) -> None:
        run.emit(Waiting(phase="etcd-member", target=target, reason=reason))

    timeout = run.configuration.this_node.timeouts.etcd_api_call
    return [remove_member(client, leaving.members, leaving.member, timeout, report=report)]


def _remove_objects(run: RemovalRun) -> Changes:
    from pykubeadm.phases.cluster.connection import admin_api
    from pykubeadm.phases.cluster.leaving import remove_objects, right_endpoint

    api = admin_api(run)
    changes = remove_objects(api, run.leaving)
    righted, sentence = right_endpoint(api, run.leaving, run.configuration.cluster.control_plane_endpoint)
    if sentence:
        run.note("warning", sentence, topic="cluster")
    text = f"{run.leaves} is no longer in the cluster."
    if run.leaving.ready:
        text += " It still runs: `pykubeadm reset` there removes what the cluster made on it."
    run.result("removed", text, node=run.leaves)
    return [*changes, *righted]


PHASES: tuple[Phase[RemovalRun], ...] = (
    Phase(name="check", summary="Check that the cluster works without the node", verify=_look),
    Phase(name="drain", summary="Evict the node's pods, as their PodDisruptionBudgets allow", apply=_drain, when=_is_ready),
    Phase(name="etcd-member", summary="Remove its member of etcd", apply=_remove_member, when=_has_member),
    Phase(name="cluster", summary="Remove its Node and what else the cluster keeps of it", apply=_remove_objects),
)
