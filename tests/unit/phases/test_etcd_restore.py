"""A snapshot in the place of etcd's data, made by etcdutl in a pod that the kubelet runs."""

from __future__ import annotations

import json
from copy import deepcopy
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import pytest
import yaml

from pykubeadm.config.model import Timeouts
from pykubeadm.errors import PhaseError
from pykubeadm.manifests.etcd import etcd_pod
from pykubeadm.node.port import Command, Completed, Directory, File
from pykubeadm.phases.etcd import restore
from pykubeadm.phases.etcd.restore import has_data, restore_pod, restore_snapshot
from tests.support.init_runs import configuration, init_run
from tests.support.node import FakeNode, completed

MANIFESTS = "/etc/kubernetes/manifests"
SNAPSHOT = "/etc/kubernetes/tmp/kubeadm-backup-etcd-1/snapshot.db"
CONFIG = configuration(kubernetes_version="v1.35.6")
POD = etcd_pod(CONFIG.cluster, CONFIG.this_node.local_api_endpoint, "cp1", Timeouts())


def container(name: str, state: str, pod: str) -> dict[str, Any]:
    labels = {"io.kubernetes.pod.namespace": "kube-system", "io.kubernetes.pod.name": pod}
    return {"id": pod, "metadata": {"name": name}, "labels": labels, "state": state}


@dataclass
class Node(FakeNode):
    """Its kubelet runs what has a manifest; etcdutl makes the directory it is told to, or fails."""

    failure: str = ""
    owner: str = ""  # that the restored data got
    ended: bool = False  # a container of an earlier restore is still there, which ended well
    looks: int = 0  # before the kubelet starts a pod

    def __post_init__(self) -> None:
        self.put("/var/lib/etcd/member/snap/db", "of a newer etcd")
        self.put(f"{MANIFESTS}/etcd.yaml", json.dumps(POD))
        self.commands |= {"crictl": self._crictl, "sh": self._swap, "journalctl": completed()}

    def _crictl(self, command: Command) -> Completed:
        if "inspect" in command.argv:
            return completed(json.dumps({"status": {"exitCode": 1 if self.failure else 0}}))
        if "logs" in command.argv:
            return completed(self.failure)
        found = [self._container(name) for name in ("etcd", "etcd-restore") if self._runs(name)]
        if self.ended:
            found.append(container("etcd-restore", "CONTAINER_EXITED", "etcd-restore-0badcafe-cp1"))
        return completed(json.dumps({"containers": found}))

    def _runs(self, name: str) -> bool:
        if self.stat(f"{MANIFESTS}/{name}.yaml") is None:
            return False
        self.looks -= name == "etcd-restore"
        return self.looks < 0 or name == "etcd"

    def _container(self, name: str) -> dict:
        if name == "etcd-restore" and not self.failure:
            assert self.stat(f"{MANIFESTS}/etcd.yaml") is None, "two programs on the same data"
            self.write([File("/var/lib/etcd/restored/member/snap/db", b"of the snapshot")])
        state = "CONTAINER_EXITED" if name == "etcd-restore" else "CONTAINER_RUNNING"
        return container(name, state, yaml.safe_load(self.text(f"{MANIFESTS}/{name}.yaml"))["metadata"]["name"] + "-cp1")

    def _swap(self, command: Command) -> Completed:
        member, aside, restored, self.owner = command.argv[4:]
        for source, target in ((member, aside), (f"{restored}/member", member)):
            content = self.read(f"{source}/snap/db") or b""
            self.remove([source])
            self.put(f"{target}/snap/db", content)
        self.remove([restored])
        return completed()


def test_the_data_are_the_snapshots_and_the_former_are_kept() -> None:
    node = Node()
    run, _events = init_run(node, CONFIG)
    aside = restore_snapshot(run, POD, SNAPSHOT, "control-plane")
    assert node.text("/var/lib/etcd/member/snap/db") == "of the snapshot"
    assert node.text(f"{aside}/snap/db") == "of a newer etcd"
    assert node.list_dir(MANIFESTS) == ()  # whoever calls has etcd started again
    assert node.list_dir("/var/lib/etcd") == ("member", aside.rpartition("/")[2])
    assert has_data(run, POD)


def test_the_data_belong_to_whom_the_former_do() -> None:
    """etcd runs as a user of its own with the feature gate RootlessControlPlane."""
    node = Node()
    node.write([Directory("/var/lib/etcd", 0o700, 2001, 2002)])
    restore_snapshot(init_run(node, CONFIG)[0], POD, SNAPSHOT, "control-plane")
    assert node.owner == "2001:2002"


def test_where_etcdutl_fails_the_data_stay_and_the_reason_is_said() -> None:
    node = Node()
    node.failure = "Error: expected sha256 [1], got [2]"
    with pytest.raises(PhaseError, match=r"could not be restored: Error: expected sha256"):
        restore_snapshot(init_run(node, CONFIG)[0], POD, SNAPSHOT, "control-plane")
    assert node.text("/var/lib/etcd/member/snap/db") == "of a newer etcd"
    assert node.list_dir(MANIFESTS) == ()


def test_the_container_of_an_earlier_restore_is_not_taken_for_this_ones() -> None:
    """The kubelet keeps those that ended, and starts a pod some seconds after its manifest is there."""
    node = Node(ended=True, looks=2)
    restore_snapshot(init_run(node, CONFIG)[0], POD, SNAPSHOT, "control-plane")
    assert node.text("/var/lib/etcd/member/snap/db") == "of the snapshot"
    node = Node(ended=True, looks=2, failure="Error: no space left on device")
    with pytest.raises(PhaseError, match="could not be restored: Error: no space"):
        restore_snapshot(init_run(node, CONFIG)[0], POD, SNAPSHOT, "control-plane")
    assert node.looks < 0


def test_an_earlier_restore_that_still_runs_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    node = Node()
    monkeypatch.setattr(restore, "_STOPS_WITHIN", timedelta())
    running = container("etcd-restore", "CONTAINER_RUNNING", "etcd-restore-0badcafe-cp1")
    node.commands["crictl"] = completed(json.dumps({"containers": [running]}))
    with pytest.raises(PhaseError, match=r"etcd to stop \(etcd-restore is running\)"):
        restore_snapshot(init_run(node, CONFIG)[0], POD, SNAPSHOT, "control-plane")
    assert node.text("/var/lib/etcd/member/snap/db") == "of a newer etcd"


def test_every_restore_is_a_pod_of_its_own() -> None:
    """A kubelet does not start a pod again that ended, which one of the same manifest would be."""
    pods = [restore_pod(POD, SNAPSHOT, "/var/lib/etcd/restored")["metadata"]["name"] for _ in range(2)]
    assert len(set(pods)) == 2


def test_a_log_on_a_disk_of_its_own_keeps_its_data() -> None:
    node = Node()
    pod = etcd_pod_with("--wal-dir=/srv/wal")
    with pytest.raises(PhaseError, match="keeps its log in /srv/wal"):
        restore_snapshot(init_run(node, CONFIG)[0], pod, SNAPSHOT, "control-plane")
    assert node.text("/var/lib/etcd/member/snap/db") == "of a newer etcd"


def etcd_pod_with(flag: str) -> dict[str, Any]:
    changed = deepcopy(POD)
    changed["spec"]["containers"][0]["command"].append(flag)
    return changed


def test_an_etcd_that_does_not_stop_keeps_its_data(monkeypatch: pytest.MonkeyPatch) -> None:
    node = Node()
    monkeypatch.setattr(restore, "_STOPS_WITHIN", timedelta())
    node.commands["crictl"] = completed(json.dumps({"containers": [node._container("etcd")]}))
    with pytest.raises(PhaseError, match=r"etcd to stop \(etcd is running\)"):
        restore_snapshot(init_run(node, CONFIG)[0], POD, SNAPSHOT, "control-plane")
    assert node.text("/var/lib/etcd/member/snap/db") == "of a newer etcd"


def test_the_pod_restores_this_member_with_revisions_that_nobody_has_seen() -> None:
    pod = restore_pod(POD, SNAPSHOT, "/var/lib/etcd/restored")
    (container,) = pod["spec"]["containers"]
    assert container["command"] == [
        "etcdutl",
        "snapshot",
        "restore",
        SNAPSHOT,
        "--data-dir=/var/lib/etcd/restored",
        "--name=cp1",
        "--initial-cluster=cp1=https://10.0.0.9:2380",
        "--initial-advertise-peer-urls=https://10.0.0.9:2380",
        "--bump-revision=1000000000",
        "--mark-compacted",
    ]
    assert container["image"] == "registry.k8s.io/etcd:3.6.8-0"
    assert {volume["hostPath"]["path"] for volume in pod["spec"]["volumes"]} == {"/var/lib/etcd", SNAPSHOT.rpartition("/")[0]}
    assert yaml.safe_dump(pod)


def test_a_manifest_that_does_not_say_where_its_data_are() -> None:
    container = {**POD["spec"]["containers"][0], "command": ["etcd"]}
    run = replace(init_run(FakeNode(), CONFIG)[0])
    with pytest.raises(PhaseError, match=r"does not give --data-dir"):
        has_data(run, {"spec": {"containers": [container]}})
