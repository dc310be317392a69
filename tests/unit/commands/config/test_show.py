from __future__ import annotations

import pytest

from pykubeadm.commands.config.show import stored_documents
from pykubeadm.errors import ApiError
from tests.support.api import FakeApi

STORED = {
    ("kubeadm-config", "ClusterConfiguration"): "kind: ClusterConfiguration\nkubernetesVersion: v1.36.2\n",
    ("kubelet-config", "kubelet"): "kind: KubeletConfiguration\n",
    ("kube-proxy", "config.conf"): "kind: KubeProxyConfiguration\n",
}


def cluster(stored: dict[tuple[str, str], str]) -> FakeApi:
    api = FakeApi()
    for (name, key), text in stored.items():
        metadata = {"name": name, "namespace": "kube-system"}
        api.put({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {key: text}})
    return api


def test_all_three_in_the_order_of_a_file() -> None:
    warnings: list[str] = []
    documents = stored_documents(cluster(STORED), warnings.append)
    assert [document["kind"] for document in documents] == [
        "ClusterConfiguration",
        "KubeletConfiguration",
        "KubeProxyConfiguration",
    ]
    assert documents[0]["kubernetesVersion"] == "v1.36.2"
    assert warnings == []


def test_what_is_missing_or_damaged_is_reported_and_the_rest_shown() -> None:
    warnings: list[str] = []
    stored = STORED | {("kubelet-config", "kubelet"): "{["}
    del stored["kube-proxy", "config.conf"]
    assert [document["kind"] for document in stored_documents(cluster(stored), warnings.append)] == ["ClusterConfiguration"]
    assert warnings == [
        "ConfigMap kube-system/kubelet-config has no kubelet that can be read",
        "ConfigMap kube-system/kube-proxy does not exist",
    ]


def test_a_cluster_without_any_is_an_error() -> None:
    with pytest.raises(ApiError, match="keeps no configuration of kubeadm's"):
        stored_documents(FakeApi(), lambda _sentence: None)
