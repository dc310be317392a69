from __future__ import annotations

from dataclasses import replace

import pytest
import yaml

from pykubeadm.config.defaults import NO_ADDRESS
from pykubeadm.config.host import HostFacts
from pykubeadm.config.source import Source
from pykubeadm.errors import ConfigError
from pykubeadm.kube.port import ApiUnreachableError
from pykubeadm.phases.cluster.found import Found, find_configuration, node_configuration, own_endpoint
from pykubeadm.phases.cluster.stored import administrator
from tests.support.api import FakeApi
from tests.support.control_plane_files import CONFIG
from tests.support.node import FakeNode

HOST = HostFacts("machine", default_ipv4="192.0.2.200", cri_sockets=("unix:///a.sock", "unix:///b.sock"))
STORED = "apiVersion: kubeadm.k8s.io/v1beta4\nkind: ClusterConfiguration\nkubernetesVersion: v1.35.1\ncertificatesDir: /srv/pki\n"


def found(node: FakeNode, *, text: str = "", api: FakeApi | None = None) -> tuple[Found, list[str]]:
    notes: list[str] = []
    source = Source("cfg.yaml", text.encode()) if text else None
    return find_configuration(
        node, HOST, source=source, connect=(lambda: api) if api else None, reader=administrator("/a.conf"), note=notes.append
    ), notes


def control_plane() -> FakeNode:
    node = FakeNode()
    command = [
        "kube-apiserver",
        "--client-ca-file=/srv/pki/ca.crt",
        "--etcd-servers=https://192.0.2.8:2379,https://192.0.2.9:2379",
    ]
    pod = {
        "metadata": {"annotations": {"kubeadm.kubernetes.io/kube-apiserver.advertise-address.endpoint": "192.0.2.1:6443"}},
        "spec": {"containers": [{"name": "kube-apiserver", "command": command}]},
    }
    node.put("/etc/kubernetes/manifests/kube-apiserver.yaml", yaml.safe_dump(pod))
    node.put("/etc/kubernetes/manifests/etcd.yaml", "{}")
    node.put("/var/lib/kubelet/instance-config.yaml", "containerRuntimeEndpoint: unix:///run/crio/crio.sock\n")
    kubeconfig = {
        "current-context": "c",
        "contexts": [{"name": "c", "context": {"cluster": "k", "user": "system:node:cp1"}}],
        "clusters": [{"name": "k", "cluster": {"server": "https://192.0.2.1:6443"}}],
        "users": [{"name": "system:node:cp1", "user": {}}],
    }
    node.put("/etc/kubernetes/kubelet.conf", yaml.safe_dump(kubeconfig))
    return node


def api_with(text: str = STORED) -> FakeApi:
    api = FakeApi()
    api.put(
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": "kubeadm-config", "namespace": "kube-system"},
            "data": {"ClusterConfiguration": text},
        }
    )
    return api


def test_the_clusters_own_with_what_the_nodes_files_say_of_the_node() -> None:
    got, notes = found(control_plane(), api=api_with())
    assert got.source == "cluster"
    assert got.configuration.cluster.certificates_dir == "/srv/pki"
    assert got.configuration.cluster.kubernetes_version == "v1.35.1"
    this = got.configuration.this_node
    assert this.node_registration.name == "cp1"
    assert this.node_registration.cri_socket == "unix:///run/crio/crio.sock"
    assert this.local_api_endpoint.advertise_address == "192.0.2.1"
    assert notes == []


def test_a_file_wins_and_the_cluster_is_not_asked() -> None:
    api = api_with()
    got, _ = found(control_plane(), text=CONFIG, api=api)
    assert (got.source, api.calls) == ("file", 0)
    assert got.configuration.this_node.local_api_endpoint.advertise_address == "10.0.0.9"
    assert got.configuration.cluster.encryption_algorithm == "ECDSA-P256"


def test_what_a_file_does_not_say_of_the_node_comes_from_the_node() -> None:
    got, _ = found(control_plane(), text="apiVersion: kubeadm.k8s.io/v1beta4\nkind: ClusterConfiguration\n")
    assert got.configuration.this_node.node_registration.name == "cp1"
    assert got.configuration.this_node.local_api_endpoint.advertise_address == "192.0.2.1"


@pytest.mark.parametrize(
    ("failure", "reason"),
    [(ApiUnreachableError("connection refused"), "connection refused"), (None, "has no ConfigMap kube-system/kubeadm-config")],
)
def test_without_an_answer_the_nodes_files_say_where_the_certificates_are(failure: Exception | None, reason: str) -> None:
    api = FakeApi(failures=[failure] if failure else [])
    got, notes = found(control_plane(), api=api)
    assert got.source == "node"
    assert got.configuration.cluster.certificates_dir == "/srv/pki"
    assert got.configuration.cluster.etcd.external is None
    assert len(notes) == 1
    assert notes[0].startswith("the cluster's configuration cannot be read, so that of this node is used: ")
    assert reason in notes[0]


def test_a_node_without_a_default_route_is_found_as_well() -> None:
    """An air-gapped worker, or a control plane whose manifests are put aside."""
    host = replace(HOST, default_ipv4=None)
    node = control_plane()
    assert node_configuration(node, host).this_node.local_api_endpoint.advertise_address == "192.0.2.1"
    node.remove(["/etc/kubernetes/manifests"])
    this = node_configuration(node, host).this_node
    assert (this.node_registration.name, this.local_api_endpoint.advertise_address) == ("cp1", NO_ADDRESS)
    six = node_configuration(node, replace(host, default_ipv6="fd00::5"))
    assert six.this_node.local_api_endpoint.advertise_address == "fd00::5"


def test_an_api_server_without_an_etcd_beside_it_has_an_external_one() -> None:
    node = control_plane()
    node.remove(["/etc/kubernetes/manifests/etcd.yaml"])
    got, _ = found(node)
    assert got.configuration.cluster.etcd.external is not None
    assert got.configuration.cluster.etcd.external.endpoints == ("https://192.0.2.8:2379", "https://192.0.2.9:2379")


def test_a_stored_configuration_that_cannot_be_read_is_reported_and_not_used() -> None:
    got, notes = found(control_plane(), api=api_with("apiVersion: kubeadm.k8s.io/v1beta4\nkind: ClusterConfiguration\netcd: 5\n"))
    assert got.source == "node"
    assert "etcd" in notes[0]


def test_a_file_with_problems_is_refused() -> None:
    with pytest.raises(ConfigError, match="certificateValidityPeriod"):
        found(control_plane(), text=CONFIG + "certificateValidityPeriod: nonsense\n")


@pytest.mark.parametrize("damaged", ["kubelet.conf", "manifests/kube-apiserver.yaml"])
def test_damaged_files_of_the_node_are_as_if_they_were_not_there(damaged: str) -> None:
    node = control_plane()
    node.put(f"/etc/kubernetes/{damaged}", "{[")
    node.put("/var/lib/kubelet/instance-config.yaml", "- 1\n")
    got, _ = found(node)
    this = got.configuration.this_node
    assert this.node_registration.cri_socket == "unix:///a.sock"
    assert (this.node_registration.name, this.local_api_endpoint.advertise_address) in (
        ("machine", "192.0.2.1"),
        ("cp1", "192.0.2.200"),
    )


@pytest.mark.parametrize(
    ("text", "port"),
    [("192.0.2.1:6443", 6443), ("[fd00::1]:6443", 6443), ("192.0.2.1:x", None), ("192.0.2.1:99999", None), (":6443", None)],
)
def test_an_endpoint_that_is_none_says_nothing(text: str, port: int | None) -> None:
    node = control_plane()
    path = "/etc/kubernetes/manifests/kube-apiserver.yaml"
    node.put(path, node.text(path).replace("192.0.2.1:6443", repr(text)))
    found = own_endpoint(node)
    assert (found.bind_port if found else None) == port
