"""What a file may change in a running cluster, and what is refused: all of it at once, each with its place and its reason."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from pykubeadm.config.host import ANY_HOST
from pykubeadm.config.model import ClusterConfiguration, Configuration, Etcd, ExternalEtcd, LocalEtcd, Networking, ThisNode
from pykubeadm.config.read_change import read_change
from pykubeadm.config.reading import Environment
from pykubeadm.config.source import Source
from pykubeadm.errors import ConfigError
from tests.support.init_runs import configuration

CLUSTER = "apiVersion: kubeadm.k8s.io/v1beta4\nkind: ClusterConfiguration\n"
INIT = "apiVersion: kubeadm.k8s.io/v1beta4\nkind: InitConfiguration\n"
KUBELET = "apiVersion: kubelet.config.k8s.io/v1beta1\nkind: KubeletConfiguration\n"
STORED = configuration(
    networking=Networking(service_subnet="10.96.0.0/16", pod_subnet="10.244.0.0/16", dns_domain="example.local"),
    certificates_dir="/etc/kubernetes/certs",
    cluster_name="mine",
    ca_certificate_validity_period=timedelta(hours=100),
    control_plane_endpoint="api.example.org:6443",
    etcd=Etcd(local=LocalEtcd(data_dir="/data/etcd")),
)


def read(
    text: str, stored: ClusterConfiguration = STORED.cluster, notes: list[str] | None = None, driver: str = "systemd"
) -> Configuration:
    environment = Environment(
        host=ANY_HOST,
        new_token=lambda: "abcdef.0123456789abcdef",
        note=(notes if notes is not None else []).append,
    )
    kubelet = {"cgroupDriver": driver, "clusterDomain": "example.local", "staticPodPath": "/etc/kubernetes/manifests"}
    return read_change(Source("new.yaml", text.encode()), stored, lambda: kubelet, STORED.this_node, environment)


def problems(text: str, **stored: Any) -> list[str]:
    with pytest.raises(ConfigError) as raised:
        read(text, replace(STORED.cluster, **stored))
    return [str(problem) for problem in raised.value.problems]


def test_what_cannot_change_may_be_left_out() -> None:
    found = read(CLUSTER)
    assert found.cluster == STORED.cluster
    assert (found.kubelet, found.kube_proxy, found.this_node) == ({}, {}, STORED.this_node)


def test_the_same_written_out_is_no_change() -> None:
    from pykubeadm.util.yaml_output import to_yaml

    assert read(to_yaml(STORED.cluster.document())).cluster == STORED.cluster


def test_what_is_left_out_of_the_rest_is_taken_away() -> None:
    stored = read(CLUSTER + "apiServer: {certSANs: [a.example.org], extraArgs: [{name: v, value: '2'}]}\n").cluster
    assert stored.api_server.extra_args
    assert read(CLUSTER, stored).cluster == STORED.cluster


def test_documents_that_are_not_there_change_nothing() -> None:
    found = read(KUBELET + "maxPods: 77\n")
    assert found.cluster == STORED.cluster
    assert found.kubelet["maxPods"] == 77


def test_everything_that_is_fixed_is_refused_at_once() -> None:
    text = CLUSTER + (
        "kubernetesVersion: v1.35.6\n"
        "networking: {serviceSubnet: 10.97.0.0/16, podSubnet: 10.9.0.0/16, dnsDomain: other.local}\n"
        "certificatesDir: /pki\n"
        "clusterName: other\n"
        "encryptionAlgorithm: RSA-4096\n"
        "caCertificateValidityPeriod: 20h\n"
        "certificateValidityPeriod: 10h\n"
        "featureGates: {RootlessControlPlane: true}\n"
        "etcd: {local: {dataDir: /other}}\n"
    )
    found = problems(text)
    fields = [line.split(": ")[1] for line in found]
    assert fields == [
        "kubernetesVersion",
        "networking.serviceSubnet",
        "networking.podSubnet",
        "networking.dnsDomain",
        "certificatesDir",
        "clusterName",
        "encryptionAlgorithm",
        "caCertificateValidityPeriod",
        "featureGates.RootlessControlPlane",
        "etcd.local.dataDir",
    ]
    assert found[0] == (
        "new.yaml:3:20: kubernetesVersion: cannot become v1.35.6 in a running cluster, which has v1.36.2: "
        "`pykubeadm upgrade apply` changes the version"
    )


def test_etcd_neither_moves_out_nor_in() -> None:
    external = Etcd(external=ExternalEtcd(endpoints=("http://10.0.0.1:2379",)))
    (out,) = problems(CLUSTER + "etcd: {external: {endpoints: ['http://10.0.0.1:2379']}}\n")
    assert "new.yaml:3:18: etcd.external: the cluster's etcd is local" in out
    (into,) = problems(CLUSTER + "etcd: {local: {dataDir: /var/lib/etcd}}\n", etcd=external)
    assert "etcd.local: the cluster's etcd is external" in into
    assert read(CLUSTER, replace(STORED.cluster, etcd=external)).cluster.etcd.external


def test_problems_of_the_file_come_with_them() -> None:
    found = problems(CLUSTER + "kubernetesVersion: v1.35.6\napiServer: {certSANs: ['not a name']}\n")
    assert len(found) == 2


def test_an_endpoint_is_never_taken_away() -> None:
    assert read(CLUSTER + "controlPlaneEndpoint: ''\n").cluster.control_plane_endpoint == "api.example.org:6443"
    assert read(CLUSTER + "controlPlaneEndpoint: lb.example.org\n").cluster.control_plane_endpoint == "lb.example.org:6443"


def test_a_node_keeps_what_it_is_known_by() -> None:
    found = problems(
        INIT
        + "nodeRegistration: {name: cp2, criSocket: unix:///var/run/crio/crio.sock}\n"
        + "localAPIEndpoint: {advertiseAddress: 10.0.0.8, bindPort: 7443}\n"
    )
    assert [line.split(": ")[1] for line in found] == [
        "nodeRegistration.name",
        "nodeRegistration.criSocket",
        "localAPIEndpoint.advertiseAddress",
        "localAPIEndpoint.bindPort",
    ]
    assert found[0].endswith("is cp2, and this node has cp1: a member of a cluster keeps its name")


def test_what_a_node_may_have_otherwise() -> None:
    notes: list[str] = []
    text = INIT + (
        "nodeRegistration: {kubeletExtraArgs: [{name: v, value: '4'}], imagePullPolicy: Never, taints: []}\n"
        "timeouts: {upgradeManifests: 1m0s}\nbootstrapTokens: [{token: abcdef.0123456789abcdef}]\n"
    )
    node: ThisNode = read(text, notes=notes).this_node
    assert node.node_registration.kubelet_extra_args[0].value == "4"
    assert node.node_registration.image_pull_policy == "Never"
    assert node.timeouts.upgrade_manifests == timedelta(minutes=1)
    assert node.local_api_endpoint == STORED.this_node.local_api_endpoint
    assert notes == [
        "new.yaml: bootstrapTokens is for `init` and is not read here",
        "new.yaml: nodeRegistration.taints is for `init` and is not read here",
    ]


def test_a_kubelet_keeps_what_its_pods_and_the_control_plane_need() -> None:
    found = problems(KUBELET + "cgroupDriver: cgroupfs\nclusterDomain: other\nstaticPodPath: /elsewhere\nmaxPods: 3\n")
    assert [line.split(": ")[1] for line in found] == ["cgroupDriver", "clusterDomain", "staticPodPath"]
    assert "cannot become cgroupfs in a running cluster, which has systemd" in found[0]


def test_what_a_kubelet_keeps_may_be_left_out() -> None:
    assert read(KUBELET + "maxPods: 3\n", driver="cgroupfs").kubelet == {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "maxPods": 3,
        "cgroupDriver": "cgroupfs",
        "clusterDomain": "example.local",
        "staticPodPath": "/etc/kubernetes/manifests",
    }
