from __future__ import annotations

import base64

import pytest
import yaml

from pykubeadm.config.endpoint import control_plane_url, local_url
from pykubeadm.kubeconfig.document import Credentials, build_kubeconfig, cluster_only_kubeconfig, read_kubeconfig
from pykubeadm.kubeconfig.table import TABLE
from tests.support.init_runs import configuration


def test_it_reads_as_kubeadm_writes_it() -> None:
    content = build_kubeconfig(
        server="https://10.0.0.9:6443",
        cluster="kubernetes",
        user="kubernetes-admin",
        ca=b"CA",
        credentials=Credentials(certificate=b"CERT", key=b"KEY"),
    )
    assert content.decode() == (
        "apiVersion: v1\n"
        "clusters:\n"
        "- cluster:\n"
        "    certificate-authority-data: Q0E=\n"
        "    server: https://10.0.0.9:6443\n"
        "  name: kubernetes\n"
        "contexts:\n"
        "- context:\n"
        "    cluster: kubernetes\n"
        "    user: kubernetes-admin\n"
        "  name: kubernetes-admin@kubernetes\n"
        "current-context: kubernetes-admin@kubernetes\n"
        "kind: Config\n"
        "users:\n"
        "- name: kubernetes-admin\n"
        "  user:\n"
        "    client-certificate-data: Q0VSVA==\n"
        "    client-key-data: S0VZ\n"
    )
    existing = read_kubeconfig(content)
    assert (existing.server, existing.user, existing.ca, existing.certificate) == (
        "https://10.0.0.9:6443",
        "kubernetes-admin",
        b"CA",
        b"CERT",
    )


@pytest.mark.parametrize("cluster", ["on", "1234", "a b: *c #d", "null"])
def test_odd_cluster_names_stay_text(cluster: str) -> None:
    content = build_kubeconfig(server="s", cluster=cluster, user="u", ca=b"", credentials=Credentials(token="t"))
    document = yaml.safe_load(content)
    assert document["clusters"][0]["name"] == cluster
    assert document["users"][0]["user"] == {"token": "t"}
    assert read_kubeconfig(content).cluster == cluster


def test_cluster_info_has_a_nameless_cluster_and_nothing_else() -> None:
    document = yaml.safe_load(cluster_only_kubeconfig("https://a:1", b"CA"))
    assert document == {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [
            {"name": "", "cluster": {"server": "https://a:1", "certificate-authority-data": base64.b64encode(b"CA").decode()}}
        ],
        "contexts": None,
        "current-context": "",
        "users": None,
    }


@pytest.mark.parametrize(
    ("content", "end"),
    [
        (b"a: [", "is not YAML"),
        (b"x", "is not a kubeconfig"),
        (b"kind: Pod", "is not a kubeconfig"),
        (b"{apiVersion: v2, kind: Config}", "is not a kubeconfig"),
        (b"kind: Config\ncurrent-context: here", "has no context 'here'"),
        (b"contexts: [{name: x, context: {cluster: c}}]\ncurrent-context: x", "has no cluster 'c'"),
        (
            (
                b"contexts: [{name: x, context: {cluster: c}}]\ncurrent-context: x\n"
                b"clusters: [{name: c, cluster: {certificate-authority-data: '*'}}]"
            ),
            "certificate-authority-data that is not base64",
        ),
    ],
)
def test_what_is_no_kubeconfig_is_reported(content: bytes, end: str) -> None:
    with pytest.raises(ValueError, match=end):
        read_kubeconfig(content)


def test_servers() -> None:
    servers = {
        entry.name: entry.server(configuration(control_plane_endpoint="api.test", port=7000, address="FD00:0::9"))
        for entry in TABLE
    }
    assert servers == {
        "admin": "https://api.test:7000",
        "super-admin": "https://api.test:7000",
        "kubelet": "https://[fd00::9]:7000",
        "controller-manager": "https://[fd00::9]:7000",
        "scheduler": "https://[fd00::9]:7000",
    }


@pytest.mark.parametrize(
    ("endpoint", "url"),
    [
        ("", "https://10.0.0.9:6443"),
        ("api.test:8443", "https://api.test:8443"),
        ("[fd00::1]:8443", "https://[fd00::1]:8443"),
        ("fd00::1", "https://[fd00::1]:6443"),
        ("10.0.0.1", "https://10.0.0.1:6443"),
    ],
)
def test_control_plane_url(endpoint: str, url: str) -> None:
    assert control_plane_url(configuration(control_plane_endpoint=endpoint)) == url
    assert local_url(configuration(control_plane_endpoint=endpoint).this_node.local_api_endpoint) == "https://10.0.0.9:6443"
