"""A resolved configuration and a run of `init` on a node in memory, for tests of phases."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from pykubeadm.commands.init.run import InitRun
from pykubeadm.config.host import HostFacts
from pykubeadm.config.model import (
    APIEndpoint,
    ClusterConfiguration,
    Configuration,
    Etcd,
    InitConfiguration,
    LocalEtcd,
    NodeRegistration,
    ThisNode,
)
from pykubeadm.node.journal import Journal
from pykubeadm.node.journaled import JournaledNode
from pykubeadm.phases.certs.phase import certs
from pykubeadm.phases.kubeconfig.phase import kubeconfig
from pykubeadm.phases.patching import load_patches
from pykubeadm.phases.run import patches_directory
from pykubeadm.workflow.events import Event, Note
from pykubeadm.workflow.phase import Phase, steps
from tests.support.node import FakeNode, copy_of

if TYPE_CHECKING:
    from pykubeadm.node.port import Node

NOW = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
_CERTIFIED: dict[str, FakeNode] = {}


def configuration(*, node: str = "cp1", address: str = "10.0.0.9", port: int = 6443, **cluster: Any) -> Configuration:
    """`cluster` are fields of ClusterConfiguration; keys are P-256 unless said otherwise, as those take no time."""
    fields: dict[str, Any] = {
        "kubernetes_version": "v1.36.2",
        "encryption_algorithm": "ECDSA-P256",
        "etcd": Etcd(local=LocalEtcd()),
        **cluster,
    }
    return Configuration(
        this_node=ThisNode(
            local_api_endpoint=APIEndpoint(advertise_address=address, bind_port=port),
            node_registration=NodeRegistration(name=node, cri_socket="unix:///var/run/containerd/containerd.sock"),
        ),
        cluster=ClusterConfiguration(**fields),
    )


def init_run(node: Node, config: Configuration | None = None, **fields: Any) -> tuple[InitRun, list[Event]]:
    """A run at NOW, with the patches of its configuration, and the list that its events go to."""
    events: list[Event] = []

    def warn(message: str) -> None:
        events.append(Note(level="warning", topic="patches", message=message))

    config = config or configuration()
    journal = Journal(node)
    run = InitRun(
        configuration=config,
        patches=load_patches(node, patches_directory(config), warn),
        node=JournaledNode(node, journal),
        host=HostFacts("cp1"),
        journal=journal,
        emit=events.append,
        **{"init": InitConfiguration(), "now": lambda: NOW} | fields,
    )
    return run, events


def perform(run: InitRun, *phases: Phase[InitRun]) -> list[str]:
    """Run the steps of `phases` as the runner does; what they changed."""
    changes: list[str] = []
    for step in steps(phases):
        phase = step.phase
        if phase.when(run) and not (phase.check and phase.check(run)) and phase.apply:
            changes += phase.apply(run)
    return changes


def certified(config: Configuration | None = None, *, cluster: int = 1) -> FakeNode:
    """A node with all that certs and kubeconfig write: what they write for a configuration is made once, and copied. Another
    number stands for another cluster, with keys of its own."""
    config = config or configuration()
    known = f"{cluster} {config}"
    if known not in _CERTIFIED:
        _CERTIFIED[known] = FakeNode()
        perform(init_run(_CERTIFIED[known], config)[0], certs, kubeconfig)
    return copy_of(_CERTIFIED[known])


def warnings(events: list[Event]) -> list[str]:
    return [event.message for event in events if isinstance(event, Note) and event.level == "warning"]
