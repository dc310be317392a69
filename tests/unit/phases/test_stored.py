"""What a cluster keeps of its configuration, and the sentences where it cannot be obtained."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from pykubeadm.errors import ApiError, PykubeadmError
from pykubeadm.kube.port import ApiStatusError, ApiUnreachableError
from pykubeadm.phases.cluster.stored import (
    NotStoredError,
    administrator,
    stored_cluster,
    stored_documents,
    stored_kube_proxy,
    stored_kubelet,
)
from tests.support.api import FakeApi
from tests.support.damage import DAMAGED

READER = administrator("/etc/kubernetes/admin.conf")
CLUSTER = "apiVersion: kubeadm.k8s.io/v1beta4\nkind: ClusterConfiguration\nkubernetesVersion: v1.36.2\nclusterName: prod\n"


def cluster(api: FakeApi) -> Any:
    return stored_cluster(api, READER, lambda _note: None)


def kubelet(api: FakeApi) -> Any:
    return stored_kubelet(api, READER)


def kube_proxy(api: FakeApi) -> Any:
    return stored_kube_proxy(api, READER)


PLACES = [
    (cluster, "kubeadm-config", "ClusterConfiguration"),
    (kubelet, "kubelet-config", "kubelet"),
    (kube_proxy, "kube-proxy", "config.conf"),
]


def holding(name: str, data: dict[str, str] | None) -> FakeApi:
    api = FakeApi()
    document: dict[str, Any] = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": "kube-system"}}
    api.put(document if data is None else {**document, "data": data})
    return api


def test_what_is_stored_is_read() -> None:
    assert cluster(holding("kubeadm-config", {"ClusterConfiguration": CLUSTER})).cluster_name == "prod"
    assert kubelet(holding("kubelet-config", {"kubelet": "maxPods: 7"})) == {"maxPods": 7}
    assert kube_proxy(holding("kube-proxy", {"config.conf": "mode: nftables"})) == {"mode": "nftables"}


@pytest.mark.parametrize("data", [None, {}, {"other": "x"}])
@pytest.mark.parametrize(("read", "name", "key"), PLACES)
def test_what_is_missing_is_named_with_what_writes_it(
    read: Callable[[FakeApi], Any], name: str, key: str, data: dict[str, str] | None
) -> None:
    for api in (FakeApi(), holding(name, data)):
        with pytest.raises(NotStoredError, match=rf"has no ConfigMap kube-system/{name} with .*{key}.*`pykubeadm init phase "):
            read(api)


@pytest.mark.parametrize("damage", [name for name, content in DAMAGED.items() if content and name != "not UTF-8"])
@pytest.mark.parametrize(("read", "name", "key"), PLACES)
def test_what_is_damaged_is_named(read: Callable[[FakeApi], Any], name: str, key: str, damage: str) -> None:
    with pytest.raises(PykubeadmError, match=f"ConfigMap kube-system/{name}"):
        read(holding(name, {key: DAMAGED[damage].decode()}))


@pytest.mark.parametrize(
    ("code", "sentence"), [(401, "does not let the credentials of /etc"), (403, "may not read the cluster's")]
)
@pytest.mark.parametrize("read", [place[0] for place in PLACES])
def test_who_is_not_let_in_learns_so_at_once(read: Callable[[FakeApi], Any], code: int, sentence: str) -> None:
    api = FakeApi()
    api.failures.append(ApiStatusError("no", code=code))
    with pytest.raises(ApiError, match=sentence):
        read(api)
    assert api.calls == 1


def test_an_api_server_that_does_not_answer_is_asked_again() -> None:
    api = holding("kubelet-config", {"kubelet": "maxPods: 7"})
    api.failures += [ApiUnreachableError("connection refused"), ApiStatusError("starting", code=503)]
    assert kubelet(api) == {"maxPods": 7}


def test_all_that_is_stored_in_the_order_of_a_file_and_what_is_not() -> None:
    notes: list[str] = []
    api = FakeApi()
    stored = {
        "kubeadm-config": ("ClusterConfiguration", "kind: ClusterConfiguration\n"),
        "kube-proxy": ("config.conf", "kind: K\n"),
    }
    for name, (key, text) in stored.items():
        metadata = {"name": name, "namespace": "kube-system"}
        api.put({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {key: text}})
    documents = stored_documents(api, administrator("/a.conf"), notes.append)
    assert [document["kind"] for document in documents] == ["ClusterConfiguration", "K"]
    assert len(notes) == 1
    assert "has no ConfigMap kube-system/kubelet-config with kubelet" in notes[0]
