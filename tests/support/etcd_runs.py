"""Runs of the commands below `etcd` on a node in memory, with a kubelet and an etcd as far as they matter."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import yaml

from pykubeadm.commands.etcd.place import Given
from pykubeadm.commands.etcd.run import EtcdRun
from pykubeadm.etcd.archive import Origin, pack
from pykubeadm.etcd.client import EtcdClient, EtcdUnreachableError, Member, Snapshot, Status
from pykubeadm.etcd.store import DirectoryStore
from pykubeadm.manifests.etcd import InitialMember, etcd_pod
from pykubeadm.node.journal import Journal
from pykubeadm.node.journaled import JournaledNode
from pykubeadm.node.port import Command, Completed, File
from pykubeadm.phases.etcd.manifest import manifest_of
from pykubeadm.workflow.events import Event
from tests.support.databases import database, snapshot
from tests.support.init_runs import configuration, init_run
from tests.support.node import FakeNode, completed

MANIFESTS = "/etc/kubernetes/manifests"
CONFIG = configuration(kubernetes_version="v1.36.2")
STORE = "/var/lib/pykubeadm/snapshots"
CA = "-----BEGIN CERTIFICATE-----\nMIIBszCCAVmg\n-----END CERTIFICATE-----\n"
OWN = InitialMember("cp1", "https://10.0.0.9:2380")
PEERS = (OWN, InitialMember("cp2", "https://10.0.0.2:2380"), InitialMember("cp3", "https://10.0.0.3:2380"))


@dataclass
class ControlPlaneNode(FakeNode):
    """Its kubelet runs what has a manifest. etcdutl makes the directory it is told to, or fails with `failure`."""

    failure: str = ""
    members: Sequence[InitialMember] = (OWN,)

    def __post_init__(self) -> None:
        pod = etcd_pod(CONFIG.cluster, CONFIG.this_node.local_api_endpoint, "cp1", CONFIG.this_node.timeouts, self.members)
        self.put(f"{MANIFESTS}/etcd.yaml", yaml.safe_dump(pod))
        for name in ("kube-apiserver", "kube-controller-manager", "kube-scheduler"):
            self.put(f"{MANIFESTS}/{name}.yaml", yaml.safe_dump({"spec": {"containers": [{"command": [name]}]}}))
        self.put("/etc/kubernetes/pki/ca.crt", CA)
        self.put("/var/lib/etcd/member/snap/db", "former")
        self.commands |= {
            "crictl": self._crictl,
            "sh": self._swap,
            "mv": self._move,
            "journalctl": completed(),
            "df": completed(f"Avail\n{10**9}\n"),
            "grep": completed(),
        }

    def _crictl(self, command: Command) -> Completed:
        if "inspect" in command.argv:
            return completed(json.dumps({"status": {"exitCode": 1 if self.failure else 0}}))
        if "logs" in command.argv:
            return completed(self.failure)
        names = ("etcd", "etcd-restore", "kube-apiserver", "kube-controller-manager", "kube-scheduler")
        found = [self._container(name) for name in names if self.stat(f"{MANIFESTS}/{name}.yaml")]
        return completed(json.dumps({"containers": found}))

    def _container(self, name: str) -> dict[str, Any]:
        if name == "etcd-restore" and not self.failure:
            running = [other for other in self.list_dir(MANIFESTS) if other != "etcd-restore.yaml"]
            assert running == [], "others run on what is replaced"
            content = self.read("/var/lib/pykubeadm/etcd-restore/snapshot.db") or b""
            self.write([File("/var/lib/etcd/restored/member/snap/db", f"restored {len(content)} bytes".encode())])
        state = "CONTAINER_EXITED" if name == "etcd-restore" else "CONTAINER_RUNNING"
        pod = (yaml.safe_load(self.text(f"{MANIFESTS}/{name}.yaml")).get("metadata") or {}).get("name") or name
        labels = {"io.kubernetes.pod.namespace": "kube-system", "io.kubernetes.pod.name": f"{pod}-cp1"}
        return {"id": name, "metadata": {"name": name}, "labels": labels, "state": state}

    def _swap(self, command: Command) -> Completed:
        member, aside, restored = command.argv[4:7]
        for source, target in ((member, aside), (f"{restored}/member", member)):
            content = self.read(f"{source}/snap/db")
            self.remove([source])
            if content is not None:
                self.put(f"{target}/snap/db", content)
        self.remove([restored])
        return completed()

    def _move(self, command: Command) -> Completed:
        source, target = command.argv[-2:]
        content = self.read(f"{source}/snap/db") or b""
        self.remove([source])
        self.put(f"{target}/snap/db", content)
        return completed()

    def give_flag(self, flag: str) -> None:
        """To etcd, in its manifest."""
        pod = yaml.safe_load(self.text(f"{MANIFESTS}/etcd.yaml"))
        pod["spec"]["containers"][0]["command"].append(flag)
        self.put(f"{MANIFESTS}/etcd.yaml", yaml.safe_dump(pod))

    @property
    def running(self) -> list[str]:
        return [name.removesuffix(".yaml") for name in self.list_dir(MANIFESTS)]


class FakeMember(EtcdClient):
    """This node's etcd. `healthy`: it has a majority."""

    def __init__(self, node: ControlPlaneNode, *, healthy: bool = True, members: Sequence[Member] = ()) -> None:
        super().__init__(["https://10.0.0.9:2379"], None)
        self.node, self.healthy = node, healthy
        self.known = tuple(members) or (Member(1, "cp1", ("https://10.0.0.9:2380",), ("https://10.0.0.9:2379",)),)

    def at(self, endpoints: Sequence[str]) -> EtcdClient:
        return self

    def _require(self) -> bytes:
        if "etcd" not in self.node.running:
            raise EtcdUnreachableError("connection refused")
        return self.node.read("/var/lib/etcd/member/snap/db") or b""

    def members(self, *, agreed: bool = True) -> tuple[Member, ...]:
        data = self._require()
        if agreed and not self.healthy and not data.startswith(b"restored"):
            raise EtcdUnreachableError("etcdserver: no leader")
        return self.known[:1] if data.startswith(b"restored") else self.known

    def status(self, endpoint: str) -> Status:
        data = self._require()
        revision = 10**9 if data.startswith(b"restored") else 50
        return Status(1, "3.6.8", 1 if self.healthy else 0, learner=False, db_size=100, revision=revision)

    def keys_hash(self, endpoint: str) -> Any:
        from pykubeadm.etcd.client import KeysHash

        return KeysHash(1, 50)

    def snapshot(self, endpoint: str) -> Snapshot:
        self._require()
        data = snapshot(database(51, [member.name for member in self.known], CA.encode()))
        return Snapshot(len(data), iter([data]))


def archived(ca: str = "", revision: int = 41, members: Sequence[str] = ("cp1",), etcd_version: str = "3.6.8") -> bytes:
    """An archive of a cluster whose CA has the pin `ca`, or lies open in the database."""
    data = snapshot(database(revision, members, CA.encode()))
    origin = Origin(
        created="2026-01-02T03:04:05Z",
        node="cp1",
        cluster_id="1",
        member_id="1",
        revision=revision,
        hash=1,
        etcd_version=etcd_version,
        kubernetes_version="v1.36.2",
        ca=ca,
    )
    return b"".join(pack(origin, {}, Snapshot(len(data), iter([data]))))


def etcd_run(node: ControlPlaneNode, name: str = "/root/snapshot", *, force: bool = False) -> tuple[EtcdRun, list[Event]]:
    """A run, and the list that its events go to."""
    base, events = init_run(node, CONFIG)
    pod = yaml.safe_load(node.read(f"{MANIFESTS}/etcd.yaml") or node.read("/var/lib/pykubeadm/stopped/etcd.yaml") or b"")
    store = DirectoryStore(node, STORE)
    journal = Journal(node)
    run = EtcdRun(
        configuration=CONFIG,
        node=JournaledNode(node, journal),
        host=base.host,
        journal=journal,
        emit=events.append,
        now=base.now,
        pod=pod,
        manifest=manifest_of(pod),
        store=store,
        given=Given(node, store, name),
        force=force,
    )
    return run, events
