"""Two control planes are reconfigured one after the other: etcd, encryption in the order that both can read, a new endpoint."""

from __future__ import annotations

import base64
import copy
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import pytest
import yaml

from lab import assets, cluster
from lab.cluster import kubectl, kubectl_json
from lab.node import Node
from tests.e2e.conftest import nodes_of
from tests.e2e.joining import ETCD, IGNORED, connect, first_control_plane, join, join_command, name_endpoint, voters
from tests.e2e.runs import events, outcome
from tests.e2e.upgrading import failure, manifests, wait_at

pytestmark = pytest.mark.long
FILE, KEYS = "/root/new.yaml", "/etc/kubernetes/encryption"
NAME = "api.example.org"

Documents = list[dict[str, Any]]
Change = Callable[[Documents], None]


class Cluster(NamedTuple):
    first: Node
    second: Node
    worker: Node
    version: str
    documents: Documents


@pytest.fixture(scope="module")
def made(kubernetes: assets.Assets, request: pytest.FixtureRequest) -> Iterator[Cluster]:
    with nodes_of(kubernetes, request) as new_node:
        first = first_control_plane(new_node, kubernetes, "rch")
        second, worker = new_node("rchb"), new_node("rchw")
        join(second, join_command(first, as_control_plane=True))
        join(worker, join_command(first))
        connect(first, (first, second, worker))
        cluster.wait_rolled_out(first, "daemonset/kube-proxy", "deployment/coredns")
        yield Cluster(first, second, worker, kubernetes.version, list(yaml.safe_load_all(first.read(cluster.CONFIG))))


def words(made: Cluster, change: Change) -> list[str]:
    documents = copy.deepcopy(made.documents)
    change(documents)
    made.first.write(FILE, yaml.safe_dump_all(documents, sort_keys=False))
    return ["reconfigure", "--config", FILE, *IGNORED, "--output=json"]


def first_node(made: Cluster, change: Change) -> str:
    said = made.first.run("pykubeadm", *words(made, change), timeout=400).stdout
    change(made.documents)
    return said


def other_node(node: Node) -> str:
    return node.run("pykubeadm", "reconfigure", *IGNORED, "--output=json", timeout=400).stdout


def with_keys(made: Cluster, file: str, *names: str) -> Change:
    """The file on both control planes, and a configuration with it."""
    providers: list[dict[str, Any]] = []
    for name in names:
        secret = base64.b64encode(name.encode().ljust(32, b"-")).decode()
        providers.append({"identity": {}} if name == "identity" else {"secretbox": {"keys": [{"name": name, "secret": secret}]}})
    content = {
        "apiVersion": "apiserver.config.k8s.io/v1",
        "kind": "EncryptionConfiguration",
        "resources": [{"resources": ["secrets", "configmaps"], "providers": providers}],
    }
    for node in (made.first, made.second):
        node.write(f"{KEYS}/{file}", yaml.safe_dump(content), "0600")

    def change(documents: Documents) -> None:
        documents[1]["apiServer"] = {
            "extraArgs": [{"name": "encryption-provider-config", "value": f"{KEYS}/{file}"}],
            "extraVolumes": [{"name": "encryption", "hostPath": KEYS, "mountPath": KEYS, "pathType": "Directory"}],
        }

    return change


def in_etcd(node: Node, key: str) -> str:
    value = node.run(*ETCD, "get", f"/registry/{key}", "--print-value-only", "--hex").stdout
    return bytes.fromhex(value.strip().replace("\\x", "")).decode(errors="replace")


def test_a_key_comes_second_on_both_before_it_comes_first(made: Cluster) -> None:
    first, second = made.first, made.second
    kubectl(first, "create", "secret", "generic", "mine", "--from-literal=word=readable")

    early = with_keys(made, "early.yaml", "one", "identity")
    assert f"the API server of {second.name} (without encryption) does not read yet" in failure(first, words(made, early))

    assert outcome(first_node(made, with_keys(made, "1.yaml", "identity", "one"))) == "changed"
    behind = with_keys(made, "2.yaml", "one", "identity")
    assert f"the API server of {second.name} (without encryption) does not read yet" in failure(first, words(made, behind))
    assert outcome(other_node(second)) == "changed"

    said = first_node(made, behind)
    assert any("is written again by the last control plane" in event.get("message", "") for event in events(said))
    kubectl(first, "create", "configmap", "new", "--from-literal=word=readable")
    assert kubectl(second, f"--server=https://{second.address}:6443", "get", "configmap", "new", "--output=name")
    assert in_etcd(first, "secrets/default/mine").startswith("k8s\0")
    assert outcome(other_node(second)) == "changed"
    assert in_etcd(first, "secrets/default/mine").startswith("k8s:enc:secretbox:v1:one:")
    assert in_etcd(first, "configmaps/kube-system/kubeadm-config").startswith("k8s:enc:secretbox:v1:one:")
    for node in (first, second):
        wait_at(node, made.version)
        assert len(kubectl_json(node, f"--server=https://{node.address}:6443", "get", "secrets", "--all-namespaces")["items"]) > 0


def test_etcd_and_flags_one_node_after_the_other(made: Cluster) -> None:
    def change(documents: Documents) -> None:
        documents[1]["etcd"] = {"local": {"extraArgs": [{"name": "max-request-bytes", "value": "3145728"}]}}
        documents[1]["scheduler"] = {"extraArgs": [{"name": "v", "value": "3"}]}

    said = first_node(made, change)
    (text,) = [event["text"] for event in events(said) if event["type"] == "result"]
    assert f"on the other nodes next, one after the other: {made.second.name}, {made.worker.name}." in text
    assert "--max-request-bytes" not in manifests(made.second)["etcd"]
    assert outcome(other_node(made.second)) == "changed"
    for node in (made.first, made.second):
        wait_at(node, made.version)
        assert "--max-request-bytes=3145728" in manifests(node)["etcd"]
        assert "--v=3" in manifests(node)["kube-scheduler"]
    assert voters(made.first) == sorted([made.first.name, made.second.name])


def test_all_nodes_move_to_a_new_endpoint(made: Cluster) -> None:
    for node in (made.first, made.second, made.worker):
        name_endpoint(node, NAME, made.first.address)

    def change(documents: Documents) -> None:
        documents[1]["controlPlaneEndpoint"] = f"{NAME}:6443"

    assert outcome(first_node(made, change)) == "changed"
    for node in (made.second, made.worker):
        assert outcome(other_node(node)) == "changed"
        assert outcome(other_node(node)) == "unchanged"
    for node in (made.first, made.second):
        assert f"server: https://{NAME}:6443" in node.read("/etc/kubernetes/admin.conf")
    assert f"server: https://{NAME}:6443" in made.worker.read("/etc/kubernetes/kubelet.conf")
    info = kubectl_json(made.first, "--namespace=kube-public", "get", "configmap", "cluster-info")["data"]["kubeconfig"]
    assert f"server: https://{NAME}:6443" in info
    proxy = kubectl_json(made.first, "--namespace=kube-system", "get", "configmap", "kube-proxy")["data"]["kubeconfig.conf"]
    assert f"server: https://{NAME}:6443" in proxy
    cluster.wait_node_ready(made.first, made.worker.name)
