"""What damaged, foreign and hand-made files on a node say of its part in a cluster."""

from __future__ import annotations

from datetime import timedelta
from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pykubeadm.commands.reset.found import Found, look, runtime_endpoint
from pykubeadm.pki.issue import Subject, encode_certificate, issue_leaf
from pykubeadm.pki.keys import generate_key
from pykubeadm.pki.sans import Names
from pykubeadm.pki.table import Usage
from pykubeadm.util.yaml_output import to_yaml
from tests.support.node import FakeNode
from tests.support.reset_runs import API_SERVER, ETCD
from tests.support.servers import NOW, authority

MANIFESTS = "/etc/kubernetes/manifests"
PKI = "/etc/kubernetes/pki"


def found(**manifests: str) -> Found:
    node = FakeNode()
    for name, text in manifests.items():
        node.put(f"{MANIFESTS}/{name.replace('_', '-')}.yaml", text)
    return look(node, PKI)


def test_a_control_plane_says_where_everything_is() -> None:
    at = found(etcd=ETCD, kube_apiserver=API_SERVER)
    assert at.is_control_plane
    assert at.certificates_dirs == (PKI, "/srv/pki")
    assert at.etcd is not None
    assert (at.etcd.name, at.etcd.data_dir) == ("cp1", "/var/lib/etcd")
    assert at.etcd.peer_urls == ("https://10.0.0.1:2380",)
    assert at.etcd.initial_cluster == {"cp1": "https://10.0.0.1:2380"}


def test_a_bare_node_says_nothing() -> None:
    assert look(FakeNode(), PKI) == Found(node_name="", is_control_plane=False, etcd=None, certificates_dirs=(PKI,))


@pytest.mark.parametrize(
    "text",
    ["", "a: [", "- 1", "spec: 1", "spec: {containers: 5, volumes: 5}", "when: 2024-99-99", "\x00", "? [a]\n: b", "&a [*a]", "é"],
)
def test_a_damaged_manifest_says_nothing_that_is_not_there(text: str) -> None:
    at = found(etcd=text, kube_apiserver=text)
    assert at.is_control_plane
    assert at.certificates_dirs == (PKI,)
    assert at.etcd is None or at.etcd.data_dir == ""


def test_a_manifest_that_is_a_directory() -> None:
    node = FakeNode()
    node.put(f"{MANIFESTS}/etcd.yaml/file")
    assert look(node, PKI).etcd is None


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["name", "hostPath", "path", "command"]), inner),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from(["containers", "volumes"]), VALUES), VALUES)
def test_whatever_the_manifests_hold(spec: object, kubelet: object) -> None:
    node = FakeNode()
    for name in ("etcd", "kube-apiserver"):
        node.put(f"{MANIFESTS}/{name}.yaml", to_yaml({"spec": spec}))
    node.put("/var/lib/kubelet/config.yaml", to_yaml({"containerRuntimeEndpoint": kubelet}))
    at = look(node, PKI)
    for path in (*at.certificates_dirs, *((at.etcd.data_dir, at.etcd.wal_dir) if at.etcd else ())):
        assert path == "" or (path.startswith("/") and path != "/" and ".." not in path.split("/"))


@pytest.mark.parametrize("path", ["/", "//", "/..", "data", "../x", "/var/lib/../.."])
def test_a_data_directory_must_be_one(path: str) -> None:
    at = found(etcd=ETCD.replace("/var/lib/etcd", path))
    assert at.etcd is not None
    assert at.etcd.data_dir == ""


@pytest.mark.parametrize(
    ("path", "text", "endpoint"),
    [
        ("instance-config.yaml", "containerRuntimeEndpoint: unix:///run/crio/crio.sock", "unix:///run/crio/crio.sock"),
        ("config.yaml", "containerRuntimeEndpoint: /run/crio/crio.sock", "unix:///run/crio/crio.sock"),
        ("config.yaml", "containerRuntimeEndpoint: unix:/run/crio/crio.sock", "unix:/run/crio/crio.sock"),
        ("config.yaml", 'containerRuntimeEndpoint: ""', ""),
        ("config.yaml", "containerRuntimeEndpoint: tcp://10.0.0.1:1", ""),
        (
            "kubeadm-flags.env",
            'KUBELET_KUBEADM_ARGS="--x=1 --container-runtime-endpoint=unix:///run/c.sock"',
            "unix:///run/c.sock",
        ),
    ],
)
def test_the_kubelet_says_which_runtime_it_uses(path: str, text: str, endpoint: str) -> None:
    node = FakeNode()
    node.put(f"/var/lib/kubelet/{path}", text)
    assert runtime_endpoint(node) == endpoint


def test_a_join_that_ended_before_the_manifest_is_known_by_its_certificate() -> None:
    key = generate_key("ECDSA-P256")
    addresses = (ip_address("10.0.0.9"), ip_address("127.0.0.1"), ip_address("fd00::9"))
    subject = Subject("cp9", NOW, NOW + timedelta(days=1), names=Names(ips=addresses), usages=(Usage.SERVER_AUTH,))
    node = FakeNode()
    node.put(f"{PKI}/etcd/peer.crt", encode_certificate(issue_leaf(subject, key.public_key(), authority())))
    at = look(node, PKI)
    assert at.etcd is not None
    assert (at.etcd.name, at.etcd.certificates_dir) == ("cp9", f"{PKI}/etcd")
    assert at.etcd.peer_urls == ("https://10.0.0.9:2380", "https://[fd00::9]:2380")


@pytest.mark.parametrize("content", ["", "-----BEGIN CERTIFICATE-----\nMA==\n-----END CERTIFICATE-----\n"])
def test_a_damaged_peer_certificate_says_nothing(content: str) -> None:
    node = FakeNode()
    node.put(f"{PKI}/etcd/peer.crt", content)
    assert look(node, PKI).etcd is None
