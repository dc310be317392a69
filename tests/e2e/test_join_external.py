"""Clusters whose etcd, or whose certificate authority, is elsewhere: control planes and workers join them as well."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from ipaddress import ip_address
from typing import NamedTuple

import pytest
import yaml

from lab import assets, cluster
from lab.cluster import kubectl, kubectl_json
from lab.host import docker
from lab.node import Node
from pykubeadm.pki.issue import Authority, Subject, encode_certificate, issue_ca, issue_leaf
from pykubeadm.pki.keys import encode_private_key, generate_key
from pykubeadm.pki.sans import Names
from pykubeadm.pki.table import Usage
from tests.e2e.conftest import nodes_of
from tests.e2e.joining import certificate_key, connect, join, join_command, side_by_side, voters
from tests.e2e.runs import outcome

ETCD_CERTIFICATES = "/etc/kubernetes/etcd-client"
ETCD_FILES = {
    f"{kind}File": f"{ETCD_CERTIFICATES}/{name}" for kind, name in (("ca", "ca.crt"), ("cert", "tls.crt"), ("key", "tls.key"))
}
SERVICE = """\
[Service]
Type=notify
ExecStart=/usr/local/bin/etcd --name={name} --data-dir=/var/lib/etcd/data --listen-client-urls=https://{address}:2379 \\
  --advertise-client-urls=https://{address}:2379 --client-cert-auth --trusted-ca-file=/etc/etcd/ca.crt \\
  --cert-file=/etc/etcd/tls.crt --key-file=/etc/etcd/tls.key
"""
PREMADE = ["--ignore-preflight-errors=FileAvailable--etc-kubernetes-kubelet.conf"]
SCRATCH = "/root/scratch"


class Cluster(NamedTuple):
    etcd: Node
    control_planes: tuple[Node, Node]
    worker: Node


@pytest.fixture(scope="module")
def external_etcd(kubernetes: assets.Assets, request: pytest.FixtureRequest) -> Iterator[Cluster]:
    """Two control planes and a worker whose etcd is a service of a fourth node, with a CA of its own."""
    program = kubernetes.program("etcd")
    if program is None:
        pytest.skip("there is no etcd among Kubernetes' binaries")
    with nodes_of(kubernetes, request) as new_node:
        etcd, first, second, worker = (new_node(f"joine{letter}") for letter in "eabw")
        docker("cp", program, f"{etcd.name}:/usr/local/bin/etcd")
        _start_etcd(etcd, first)
        documents = cluster.documents(kubernetes.version, first.address)
        documents[1]["controlPlaneEndpoint"] = f"{first.address}:6443"
        documents[1]["etcd"] = {"external": {"endpoints": [f"https://{etcd.address}:2379"], **ETCD_FILES}}
        first.write(cluster.CONFIG, yaml.safe_dump_all(documents, sort_keys=False))
        first.run("pykubeadm", "init", "--config", cluster.CONFIG, timeout=300)
        words = join_command(first)
        more = ["--control-plane", "--certificate-key", certificate_key(first)]
        side_by_side([partial(join, second, [*words, *more]), partial(join, worker, words)])
        connect(first, (first, second, worker))
        yield Cluster(etcd, (first, second), worker)


def _start_etcd(etcd: Node, client: Node) -> None:
    """With certificates for itself, and for `client` as a client."""
    now = datetime.now(UTC)
    begin, end = now - timedelta(hours=1), now + timedelta(days=1)
    key = generate_key("ECDSA-P256")
    ca = Authority(issue_ca(Subject("their-etcd-ca", begin, end), key), key)
    for node, folder, usage in ((etcd, "/etc/etcd", Usage.SERVER_AUTH), (client, ETCD_CERTIFICATES, Usage.CLIENT_AUTH)):
        own = generate_key("ECDSA-P256")
        subject = Subject(node.name, begin, end, usages=(usage,), names=Names(ips=(ip_address(node.address),)))
        node.write(f"{folder}/ca.crt", encode_certificate(ca.certificate).decode())
        node.write(f"{folder}/tls.crt", encode_certificate(issue_leaf(subject, own.public_key(), ca)).decode())
        node.write(f"{folder}/tls.key", encode_private_key(own).decode(), "0600")
    etcd.write("/etc/systemd/system/their-etcd.service", SERVICE.format(name=etcd.name, address=etcd.address))
    etcd.run("systemctl", "start", "their-etcd")


def test_external_etcd_no_control_plane_has_a_member_of_its_own(external_etcd: Cluster) -> None:
    for node in external_etcd.control_planes:
        assert not node.exists("/etc/kubernetes/manifests/etcd.yaml")
        assert not node.exists("/etc/kubernetes/pki/etcd")
        assert not node.exists("/etc/kubernetes/pki/apiserver-etcd-client.key")
        manifest = node.read("/etc/kubernetes/manifests/kube-apiserver.yaml")
        assert f"--etcd-servers=https://{external_etcd.etcd.address}:2379" in manifest
        assert f"--etcd-keyfile={ETCD_CERTIFICATES}/tls.key" in manifest


def test_external_etcd_certificates_travelled_with_the_others(external_etcd: Cluster) -> None:
    first, second = external_etcd.control_planes
    for path in ETCD_FILES.values():
        assert second.read(path) == first.read(path)
    assert second.shell(f"stat -c %a {ETCD_CERTIFICATES}/tls.key") == "600"


def test_external_etcd_holds_what_either_control_plane_writes(external_etcd: Cluster) -> None:
    first, second = external_etcd.control_planes
    for node in (first, second):
        server = f"--server=https://{node.address}:6443"
        kubectl(node, server, "create", "configmap", f"by-{node.name}")
        assert kubectl(node, server, "get", "--raw=/livez") == "ok"
    assert kubectl(first, "get", "configmap", f"by-{second.name}", "--output=name") == f"configmap/by-{second.name}"
    found = first.run(
        "etcdctl", f"--endpoints=https://{external_etcd.etcd.address}:2379", f"--cacert={ETCD_FILES['caFile']}",
        f"--cert={ETCD_FILES['certFile']}", f"--key={ETCD_FILES['keyFile']}", "get", "--prefix", "--keys-only", "/",
    )  # fmt: skip
    assert f"/configmaps/default/by-{second.name}" in found.stdout


def test_external_etcd_a_second_run_changes_nothing(external_etcd: Cluster) -> None:
    first, second = external_etcd.control_planes
    words = join_command(first, as_control_plane=True)
    assert outcome(join(second, words, "--output=json")) == "unchanged"


@pytest.fixture(scope="module")
def external_ca(kubernetes: assets.Assets, request: pytest.FixtureRequest) -> Iterator[tuple[Node, Node, Node]]:
    """Two control planes and a worker without the key of any CA: all that it signs was made elsewhere beforehand."""
    with nodes_of(kubernetes, request) as new_node:
        first, second, worker = nodes = (new_node("joinka"), new_node("joinkb"), new_node("joinkw"))
        for node in nodes:
            _sign(first, node, kubernetes)
        first.run("rm", "-rf", SCRATCH)
        first.run("pykubeadm", "init", "--config", cluster.CONFIG, timeout=300)
        words = join_command(first)
        side_by_side([partial(join, second, words, "--control-plane", *PREMADE), partial(join, worker, words, *PREMADE)])
        connect(first, nodes)
        yield nodes


def _sign(office: Node, node: Node, kubernetes: assets.Assets) -> None:
    """Make all that `node` needs below a folder of `office`, which has the keys of the CAs, and hand over all but those keys;
    to a worker, whose API server is that of `office`, its kubelet.conf."""
    is_worker = node.name.startswith("joinkw")
    documents = cluster.documents(kubernetes.version, office.address if is_worker else node.address)
    documents[0].setdefault("nodeRegistration", {})["name"] = node.name
    documents[1]["controlPlaneEndpoint"] = f"{office.address}:6443"
    config = yaml.safe_dump_all(documents, sort_keys=False)
    folder = f"{SCRATCH}/{node.name}"
    office.write(f"{folder}/kubeadm.yaml", config)
    office.shell(
        f"cd {SCRATCH} && [ ! -e {office.name}/etc ] || (cd {office.name} && cp --parents "
        f"etc/kubernetes/pki/{{,front-proxy-,etcd/}}ca.* etc/kubernetes/pki/sa.* ../{node.name} 2>/dev/null || true)"
    )
    for phase in ("certs", "kubeconfig"):
        office.run("pykubeadm", f"--rootfs={folder}", "init", "phase", phase, "all", "--config=/kubeadm.yaml")
    wanted = "etc/kubernetes/kubelet.conf" if is_worker else "--exclude=ca.key --exclude=front-proxy-ca.key etc/kubernetes"
    packed = office.shell(f"tar -C {folder} -cz {wanted} | base64")
    node.run("sh", "-c", "base64 -d | tar -C / -xz", stdin=packed)
    if node is office:
        node.write(cluster.CONFIG, config)


def test_external_ca_no_node_has_a_key_that_signs(external_ca: tuple[Node, Node, Node]) -> None:
    for node in external_ca:
        assert node.shell("find /etc/kubernetes -name '*ca.key'") == ""
    for node in external_ca[:2]:
        manifest = node.read("/etc/kubernetes/manifests/kube-controller-manager.yaml")
        assert "--cluster-signing-cert-file=\n" in manifest
        assert "--cluster-signing-key-file=\n" in manifest


def test_external_ca_kubelets_keep_the_credentials_that_were_made_for_them(external_ca: tuple[Node, Node, Node]) -> None:
    first, second, worker = external_ca
    for node, server in ((first, first), (second, second), (worker, first)):
        described = yaml.safe_load(node.read("/etc/kubernetes/kubelet.conf"))
        assert described["clusters"][0]["cluster"]["server"] == f"https://{server.address}:6443"
        assert not node.exists("/etc/kubernetes/bootstrap-kubelet.conf")
    requests = kubectl_json(first, "get", "certificatesigningrequests")["items"]  # kubelets ask, but nobody here can sign
    assert not [request for request in requests if request["status"].get("certificate")]


def test_external_ca_etcd_has_two_voting_members(external_ca: tuple[Node, Node, Node]) -> None:
    first, second, _worker = external_ca
    assert voters(first) == sorted((first.name, second.name))


def test_external_ca_a_second_run_changes_nothing(external_ca: tuple[Node, Node, Node]) -> None:
    first, second, worker = external_ca
    words = join_command(first)
    assert outcome(join(worker, words, "--output=json")) == "unchanged"
    assert outcome(join(second, words, "--control-plane", "--output=json")) == "unchanged"
