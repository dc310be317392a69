"""A control plane in memory whose kubelet follows the manifests, its etcd and its cluster, and runs of `upgrade` on it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from pykubeadm.commands.upgrade.run import UpgradeRun
from pykubeadm.config.host import HostFacts
from pykubeadm.config.model import Configuration, Timeouts, UpgradeConfiguration
from pykubeadm.etcd.client import Member, Snapshot, Status
from pykubeadm.manifests.cluster_objects import kubeadm_config_objects, kubelet_config_objects
from pykubeadm.manifests.kubelet import kubelet_configuration
from pykubeadm.node.journal import PATH as JOURNAL
from pykubeadm.node.journal import Journal
from pykubeadm.node.journaled import JournaledNode
from pykubeadm.node.port import Command, Completed, Directory, File, UnitState
from pykubeadm.phases.certs.phase import certs
from pykubeadm.phases.kubeconfig.phase import kubeconfig
from pykubeadm.phases.kubelet.files import kubelet_files
from pykubeadm.phases.replacing.record import read_record
from pykubeadm.phases.run import ClusterRun
from pykubeadm.phases.static_pods.control_plane import control_plane
from pykubeadm.workflow.events import Event
from pykubeadm.workflow.phase import Phase, steps
from tests.support.api import FakeApi, copy_of
from tests.support.init_runs import NOW, configuration, init_run, perform
from tests.support.node import FakeNode

if TYPE_CHECKING:
    import pytest

OLD, NEW = "v1.35.6", "v1.36.2"
MANIFESTS = "/etc/kubernetes/manifests"
COMPONENTS = ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler")
LATER = NOW + timedelta(days=30)
_DATABASE = b"\1" * 1024
_MADE: dict[str, tuple[dict[str, File | Directory], FakeApi]] = {}


@dataclass
class ControlPlaneNode(FakeNode):
    """Its kubelet has, at any time, one running container for each manifest. `ails` says what is wrong with the pod of a
    manifest's text, "" where it is healthy. `images` are those that can be had."""

    ails: Callable[[str, str], str] = lambda _name, _manifest: ""
    missing_images: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        self.units["kubelet"] = UnitState("loaded", "active", "running", "enabled")
        self.commands |= {"crictl": self._crictl, "df": Completed(0, "Avail\n1000000000\n"), "journalctl": Completed(0)}

    def _crictl(self, command: Command) -> Completed:
        if "ps" in command.argv:
            return Completed(0, json.dumps({"containers": [*self._containers()]}))
        if "inspecti" in command.argv:
            return Completed(1 if command.argv[-1] in self.missing_images else 0)
        if "pull" in command.argv and command.argv[-1] in self.missing_images:
            return Completed(1, stderr=f'level=fatal msg="{command.argv[-1]}: not found"')
        return Completed(0, "{}")

    def _containers(self) -> Iterator[dict[str, Any]]:
        for name in COMPONENTS:
            text = self.read(f"{MANIFESTS}/{name}.yaml")
            if text is not None:
                uid = hashlib.sha256(text).hexdigest()
                labels = {"io.kubernetes.pod.namespace": "kube-system", "io.kubernetes.pod.uid": uid}
                yield {
                    "id": uid[:12],
                    "metadata": {"name": name},
                    "labels": labels,
                    "state": "CONTAINER_RUNNING",
                    "createdAt": "1",
                }

    def health(self, _run: ClusterRun, name: str) -> Callable[[], str | None]:
        """In place of `component_health`."""
        return lambda: self.ails(name, (self.read(f"{MANIFESTS}/{name}.yaml") or b"").decode()) or None

    def manifests(self) -> dict[str, str]:
        return {name: self.text(f"{MANIFESTS}/{name}.yaml") for name in COMPONENTS}


@dataclass
class WatchedNode(ControlPlaneNode):
    """Keeps its files as they were before each change, also in the middle of a batch: what a power cut there would leave. The
    journal has the change by then; that it is written is not a change of its own."""

    states: list[dict[str, File | Directory]] = field(default_factory=list)

    def write(self, files: Sequence[File | Directory]) -> tuple[str, ...]:
        for file in files:
            if file.path != JOURNAL:
                self.before_change()
            super().write([file])
        return tuple(file.path for file in files)

    def remove(self, paths: Sequence[str]) -> tuple[str, ...]:
        self.before_change()
        return super().remove(paths)

    def before_change(self) -> None:
        self.states.append(dict(self.files))


@dataclass
class FakeEtcd:
    """In place of `EtcdClient`."""

    all: tuple[Member, ...] = (Member(1, "cp1", ("https://10.0.0.9:2380",), ("https://10.0.0.9:2379",)),)
    ailments: dict[int, str] = field(default_factory=dict)
    database: bytes = _DATABASE + hashlib.sha256(_DATABASE).digest()

    def members(self) -> tuple[Member, ...]:
        return self.all

    def unhealthy(self, _members: object) -> dict[int, str]:
        return self.ailments

    def status(self, _endpoint: str) -> Status:
        return Status(1, "3.6.6", 1, learner=False, db_size=len(self.database))

    def snapshot(self, _endpoint: str) -> Snapshot:
        return Snapshot(len(self.database), (self.database[start : start + 100] for start in range(0, len(self.database), 100)))


def made(version: str = OLD, **cluster: Any) -> tuple[ControlPlaneNode, FakeApi]:
    """A control plane as `init` leaves it, whoever ran it: the journal knows nothing of it. Its etcd is older than today's. What
    is made for a configuration is made once, and copied."""
    config = configuration(kubernetes_version=version, **cluster)
    if str(config) not in _MADE:
        _MADE[str(config)] = _made(config).files, cluster_of(config)
    files, api = _MADE[str(config)]
    return ControlPlaneNode(name="cp1", files=dict(files)), copy_of(api)


def _made(config: Configuration) -> ControlPlaneNode:
    from pykubeadm.commands.init.etcd import etcd

    node = ControlPlaneNode(name="cp1")
    run = init_run(node, config)[0]
    perform(run, certs, kubeconfig, etcd, control_plane)
    node.put(f"{MANIFESTS}/etcd.yaml", node.text(f"{MANIFESTS}/etcd.yaml").replace("etcd:3.6.8-0", "etcd:3.6.6-0"), 0o600)
    node.write(kubelet_files(run))
    node.put("/var/lib/etcd/member/snap/db", "data")
    node.remove(["/var/lib/pykubeadm"])
    return node


def cluster_of(config: Configuration | None = None) -> FakeApi:
    """The cluster that `init` makes with this configuration, of the old version where none is given."""
    config, api = config or configuration(kubernetes_version=OLD), FakeApi()
    for document in kubeadm_config_objects(config.cluster.document()):
        api.put(document)
    kubelet = kubelet_configuration(config.cluster, {}, lambda _level, _text: None)
    for document in kubelet_config_objects(kubelet, user_supplied=False):
        api.put(document)
    api.put({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "cp1"}, "spec": {}})
    return api


def upgrade_run(
    node: FakeNode, api: FakeApi, target: str = NEW, *, stored: str = OLD, cluster: dict[str, Any] | None = None, **fields: Any
) -> tuple[UpgradeRun, list[Event]]:
    """A run of `apply` that gives up waiting soon, and the list that its events go to."""
    events: list[Event] = []
    journal = Journal(node)
    config = configuration(kubernetes_version=target, **(cluster or {}))
    timeouts = Timeouts(upgrade_manifests=timedelta(milliseconds=10), etcd_api_call=timedelta(milliseconds=10))
    run = UpgradeRun(
        node=JournaledNode(node, journal),
        host=HostFacts("cp1"),
        journal=journal,
        emit=events.append,
        configuration=replace(config, this_node=replace(config.this_node, timeouts=timeouts)),
        api=api,
        **{
            "command": "upgrade apply",
            "part": "apply",
            "upgrade": UpgradeConfiguration(),
            "stored": replace(config.cluster, kubernetes_version=stored),
            "has_control_plane": True,
            "resumed": read_record(node) is not None,
            "now": lambda: LATER,
        }
        | fields,
    )
    return run, events


def run_phase(run: UpgradeRun, phase: Phase[UpgradeRun]) -> list[str]:
    """What its steps changed."""
    changes: list[str] = []
    for step in steps((phase,)):
        if step.phase.when(run) and step.phase.apply:
            changes += step.phase.apply(run)
    return changes


def upgraded(node: ControlPlaneNode, **fields: Any) -> list[str]:
    """What the phase control-plane changed."""
    from pykubeadm.phases.replacing.control_plane import control_plane as phase

    return run_phase(upgrade_run(node, cluster_of(), **fields)[0], phase)


def secrets(node: ControlPlaneNode) -> dict[str, bytes]:
    """Certificates, keys and kubeconfigs."""
    ends = (".crt", ".key", ".conf")
    return {path: file.content for path, file in node.files.items() if isinstance(file, File) and path.endswith(ends)}


def images(node: ControlPlaneNode) -> set[str]:
    """The tags in the manifests."""
    return {line.rpartition(":")[2] for text in node.manifests().values() for line in text.splitlines() if " image: " in line}


def attach(monkeypatch: pytest.MonkeyPatch, node: ControlPlaneNode, etcd: FakeEtcd) -> None:
    """Have the phases find the node's components and etcd, and the cluster at its endpoint."""
    monkeypatch.setattr("pykubeadm.phases.static_pods.restart.component_health", node.health)
    monkeypatch.setattr("pykubeadm.phases.etcd.members.own_etcd_client", lambda _run: etcd)
    monkeypatch.setattr("pykubeadm.phases.cluster.connection.endpoint_api", lambda run: run.api)


def other_members() -> tuple[Member, ...]:
    """Of etcd, on two further control planes."""
    return tuple(Member(number, f"cp{number}", (f"https://10.0.0.{number}:2380",), ("https://x",)) for number in (2, 3))
