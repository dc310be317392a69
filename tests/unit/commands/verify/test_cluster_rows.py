"""Rows that look at what there is: the control plane, and what a cluster may not have."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

import pytest

from pykubeadm.commands.verify.cluster import Cluster
from pykubeadm.commands.verify.row import NotServedError, NotShownError
from pykubeadm.commands.verify.rows import ROWS, control_plane
from pykubeadm.commands.verify.trial import Trial
from pykubeadm.errors import ApiError
from pykubeadm.kube.credentials import Credentials
from pykubeadm.kube.pod_streams import Ended
from pykubeadm.util.kube_object import KubeObject
from tests.support.api import FakeApi
from tests.support.clocks import kubelets


@dataclass
class Etcdctl:
    """Answers of etcdctl by its words."""

    answers: dict[str, str] = field(default_factory=dict)
    status: int = 0

    def run(self, _namespace: str, _pod: str, argv: tuple[str, ...], **_more: Any) -> Ended:
        return Ended(
            self.status, next(answer for words, answer in self.answers.items() if words in " ".join(argv)), "deadline exceeded"
        )


def node(name: str, **allocatable: str) -> KubeObject:
    labels = {"node-role.kubernetes.io/control-plane": ""} if name.startswith("cp") else {}
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": name, "labels": labels},
        "status": {"allocatable": allocatable},
    }


def component(name: str, on: str, *, ready: bool = True, restarts: int = 0) -> KubeObject:
    status = {"conditions": [{"type": "Ready", "status": str(ready)}], "phase": "Running"}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": f"{name}-{on}", "namespace": "kube-system", "labels": {"tier": "control-plane", "component": name}},
        "spec": {"nodeName": on, "containers": [{"name": name, "command": [name]}]},
        "status": status | {"containerStatuses": [{"name": name, "restartCount": restarts}]},
    }


def shown(name: str, api: FakeApi, *nodes: KubeObject, streams: object = None) -> str:
    """What the row says of a cluster of these nodes."""
    cluster = Cluster(api, streams, Credentials(api.server, insecure=True), "ns", nodes, "pause", "busybox")  # type: ignore[arg-type]
    [row] = [row for row in ROWS if row.name == name]
    return row.run(Trial(cluster, name.partition("/")[2]))


@pytest.fixture
def api() -> FakeApi:
    found = FakeApi()
    for name in ("kube-apiserver", "kube-controller-manager", "kube-scheduler", "etcd"):
        found.put(component(name, "cp1"))
    return found


def test_components_are_looked_for_on_every_control_plane(api: FakeApi) -> None:
    assert shown("control-plane/components", api, node("cp1"), node("w")).endswith("are ready on cp1")
    with pytest.raises(NotShownError, match=r"kube-apiserver on cp2: it has no pod; .*; etcd on cp2: it has no pod"):
        shown("control-plane/components", api, node("cp1"), node("cp2"))
    api.put(component("kube-scheduler", "cp1", ready=False))
    with pytest.raises(NotShownError, match="kube-scheduler on cp1: it is Running"):
        shown("control-plane/components", api, node("cp1"))


def test_a_control_plane_that_is_kept_elsewhere_is_not_served() -> None:
    with pytest.raises(NotServedError, match="does not run as pods"):
        shown("control-plane/components", FakeApi(), node("w"))
    with pytest.raises(NotServedError, match="it is external"):
        shown("control-plane/etcd", FakeApi(), node("cp1"))


def member(name: str, leader: int = 7) -> str:
    return f'{{"Endpoint":"{name}","Status":{{"version":"3.6.1","leader":{leader},"dbSize":2097152}}}}'


@pytest.mark.parametrize(
    ("members", "statuses", "alarms", "sentence"),
    [
        (1, member("a"), "{}", "the only member is healthy, version 3.6.1, 2.0 MiB"),
        (2, f"{member('a')},{member('b')}", "{}", "2 members are healthy and agree on a leader, version 3.6.1, 2.0 MiB"),
        (3, f"{member('a')},{member('b')}", "{}", "of etcd's 3 members c does not answer"),
        (2, f"{member('a')},{member('b', 8)}", "{}", "etcd's members do not agree on a leader: 2 are named"),
        (1, member("a"), '{"alarms":[{"alarm":2}]}', "etcd has raised the alarm CORRUPT"),
    ],
)
def test_etcd_by_what_its_own_client_says(api: FakeApi, members: int, statuses: str, alarms: str, sentence: str) -> None:
    names = "abc"[:members]
    listed = json.dumps({"members": [{"name": name, "clientURLs": [name]} for name in names]})
    streams = Etcdctl({"member list": listed, "endpoint status": f"[{statuses}]", "alarm list": alarms})
    try:
        said = shown("control-plane/etcd", api, node("cp1"), streams=streams)
    except NotShownError as error:
        said = str(error)
    assert said == sentence


def test_an_etcd_that_does_not_answer_is_said_in_its_clients_words(api: FakeApi) -> None:
    with pytest.raises(ApiError, match="etcdctl member list in Pod etcd-cp1 ended with status 1: deadline exceeded"):
        shown("control-plane/etcd", api, node("cp1"), streams=Etcdctl({"member list": ""}, status=1))


def test_a_node_with_a_clock_that_is_off(api: FakeApi, monkeypatch: pytest.MonkeyPatch) -> None:
    kubelets(monkeypatch, api, cp1=0, w=0.3)
    assert shown("control-plane/clocks", api, node("cp1"), node("w")) == "the clocks of 2 nodes agree within 5 s"
    kubelets(monkeypatch, api, cp1=0, w=-180)
    with pytest.raises(NotShownError, match=r"^the clock of w is 3m behind that of the API server$"):
        shown("control-plane/clocks", api, node("cp1"), node("w"))


class Restarting(FakeApi):
    """Its API server has ended and is back when the pod that ends it is made."""

    def create(self, document: KubeObject) -> KubeObject:
        if document["metadata"]["name"] == "restart-end":
            self.put(component("kube-apiserver", "cp1", restarts=1))
        return super().create(document)


def two_api_servers(monkeypatch: pytest.MonkeyPatch, first: FakeApi, second: FakeApi) -> None:
    endpoints = [{"addresses": ["192.0.2.1"]}, {"addresses": ["192.0.2.2"]}]
    metadata = {"name": "kubernetes", "namespace": "default", "labels": {"kubernetes.io/service-name": "kubernetes"}}
    document = {"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "metadata": metadata}
    first.put({**document, "ports": [{"port": 6443}], "endpoints": endpoints})
    first.put(component("kube-apiserver", "cp1") | {"status": {"hostIP": "192.0.2.1"}})
    servers = {"https://192.0.2.1:6443": first, "https://192.0.2.2:6443": second}
    monkeypatch.setattr(control_plane, "ClusterApi", lambda _credentials, server: servers[server])


def test_an_api_server_that_ends_costs_no_write(monkeypatch: pytest.MonkeyPatch) -> None:
    first = Restarting()
    two_api_servers(monkeypatch, first, Restarting(objects=first.objects))
    said = shown("control-plane/restart", first, node("cp1"), node("cp2"))
    assert said.startswith("the API server of cp1 was ended and came back; ")


def test_a_write_that_one_api_server_does_not_know_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    first = Restarting()
    second = Restarting()
    two_api_servers(monkeypatch, first, second)
    second.put(component("kube-apiserver", "cp1"))
    with pytest.raises(NotShownError, match=r"of \d+ objects that were acknowledged are not at 192.0.2.2"):
        shown("control-plane/restart", first, node("cp1"), node("cp2"))


def test_what_a_cluster_does_not_have_is_not_served() -> None:
    for name, reason in {
        "storage/default-class": "no default StorageClass",
        "storage/csi": "no CSI driver is registered",
        "devices/plugin": "no device plugin offers anything",
        "controllers/autoscaler": "no metrics",
        "control-plane/leaders": "elects no leader",
        "control-plane/clocks": "no kubelet's Lease says when it was written",
        "control-plane/restart": "only one API server can be reached",
    }.items():
        with pytest.raises(NotServedError, match=reason):
            shown(name, FakeApi(), node("w", cpu="2", **{"hugepages-2Mi": "0", "example.com/gpu": "0"}))


def test_csi_drivers_with_their_nodes() -> None:
    api = FakeApi()
    for name in ("w2", "w1"):
        metadata = {"name": name}
        api.put(
            {
                "apiVersion": "storage.k8s.io/v1",
                "kind": "CSINode",
                "metadata": metadata,
                "spec": {"drivers": [{"name": "csi.example.org"}]},
            }
        )
    assert shown("storage/csi", api, node("w1"), node("w2")) == "csi.example.org is registered on w1, w2"


class Logs:
    """What a container has printed, from one time that it is asked for to the next; at the end it stays."""

    def __init__(self, *said: str) -> None:
        self._said = list(said)

    def logs(self, _namespace: str, _name: str) -> str:
        return self._said.pop(0) if len(self._said) > 1 else self._said[0]


class StartedAgain(FakeApi):
    """Its pods' containers have been started again at once."""

    def create(self, document: KubeObject) -> KubeObject:
        status = {"containerStatuses": [{"restartCount": 1, "state": {"running": {}}}]}
        return super().create(document | {"status": status})


def test_a_container_that_was_started_again_is_given_time_to_say_what_it_found() -> None:
    mounts = "overlay / overlay rw 0 0\n"
    assert "(overlay) was gone" in shown(
        "containers/layers", StartedAgain(), node("a"), streams=Logs("", mounts, f"{mounts}FRESH\n")
    )
    with pytest.raises(NotShownError, match="still had the file"):
        shown("containers/layers", StartedAgain(), node("a"), streams=Logs("", f"{mounts}KEPT\n"))
