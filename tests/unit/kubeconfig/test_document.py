from __future__ import annotations

import base64

import pytest
import yaml

from pykubeadm.config.endpoint import control_plane_url, local_url
from pykubeadm.kubeconfig.document import build_kubeconfig, cluster_only_kubeconfig, for_cluster
from pykubeadm.kubeconfig.read import read_kubeconfig
from pykubeadm.kubeconfig.table import TABLE
from pykubeadm.util.yaml_output import to_yaml
from tests.support.init_runs import configuration


def test_it_reads_as_kubeadm_writes_it() -> None:
    content = build_kubeconfig(
        server="https://10.0.0.9:6443",
        cluster="kubernetes",
        user="kubernetes-admin",
        ca=b"CA",
        certificate=b"CERT",
        key=b"KEY",
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
    assert (existing.server, existing.user_name, existing.ca, existing.certificate, existing.key) == (
        "https://10.0.0.9:6443",
        "kubernetes-admin",
        b"CA",
        b"CERT",
        b"KEY",
    )


@pytest.mark.parametrize("cluster", ["on", "1234", "1e3", "0o17", "a b: *c #d", "null", "2026-01-01"])
def test_odd_cluster_names_stay_text(cluster: str) -> None:
    content = to_yaml(for_cluster(cluster, {"server": "s"}, "u", {"token": "t"})).encode()
    document = yaml.safe_load(content)
    assert document["clusters"][0]["name"] == cluster
    assert document["users"][0]["user"] == {"token": "t"}
    assert read_kubeconfig(content).cluster_name == cluster


def test_cluster_info_has_a_nameless_cluster_and_nothing_else() -> None:
    content = cluster_only_kubeconfig("https://a:1", b"CA")
    assert yaml.safe_load(content) == {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [
            {"name": "", "cluster": {"server": "https://a:1", "certificate-authority-data": base64.b64encode(b"CA").decode()}}
        ],
        "contexts": None,
        "current-context": "",
        "users": None,
    }
    found = read_kubeconfig(content.encode())
    assert (found.url, found.ca, found.user) == ("https://a:1", b"CA", {})


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
