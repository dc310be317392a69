from __future__ import annotations

import base64
from datetime import timedelta
from typing import Any

import pytest
import yaml
from cryptography import x509

from pykubeadm.errors import PhaseError
from pykubeadm.node.port import File
from pykubeadm.phases.certs.phase import certs
from pykubeadm.phases.kubeconfig.phase import kubeconfig
from pykubeadm.pki.check import is_signed_by, load_certificates
from tests.support.authorities import put_authority
from tests.support.init_runs import NOW, certified, configuration, init_run, perform, warnings
from tests.support.node import FakeNode

ADMIN = "/etc/kubernetes/admin.conf"


def made(**cluster: Any) -> FakeNode:
    return certified(configuration(**cluster))


def client(node: FakeNode, path: str) -> x509.Certificate:
    user = yaml.safe_load(node.text(path))["users"][0]["user"]
    return load_certificates(base64.b64decode(user["client-certificate-data"]))[0]


@pytest.mark.parametrize(
    ("name", "user", "organizations", "server"),
    [
        ("admin", "kubernetes-admin", ["kubeadm:cluster-admins"], "https://api.test:6443"),
        ("super-admin", "kubernetes-super-admin", ["system:masters"], "https://api.test:6443"),
        ("kubelet", "system:node:cp1", ["system:nodes"], "https://10.0.0.9:6443"),
        ("controller-manager", "system:kube-controller-manager", [], "https://10.0.0.9:6443"),
        ("scheduler", "system:kube-scheduler", [], "https://10.0.0.9:6443"),
    ],
)
def test_who_and_where(name: str, user: str, organizations: list[str], server: str) -> None:
    node = made(control_plane_endpoint="api.test", cluster_name="prod")
    path = f"/etc/kubernetes/{name}.conf"
    file = node.files[path]
    assert isinstance(file, File)
    assert (file.mode, file.secret) == (0o600, True)
    document = yaml.safe_load(file.content)
    assert document["clusters"][0]["cluster"]["server"] == server
    assert document["current-context"] == f"{user}@prod"
    certificate = client(node, path)
    assert [a.value for a in certificate.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)] == [user]
    assert [a.value for a in certificate.subject.get_attributes_for_oid(x509.NameOID.ORGANIZATION_NAME)] == organizations
    ca = load_certificates(node.text("/etc/kubernetes/pki/ca.crt").encode())[0]
    assert is_signed_by(certificate, [], ca)
    assert certificate.not_valid_before_utc == ca.not_valid_before_utc
    assert certificate.not_valid_after_utc == NOW + timedelta(days=365)


def test_a_ca_that_may_not_sign_for_clients_is_refused() -> None:
    node = FakeNode()
    put_authority(node, "ca", (x509.ExtendedKeyUsage([x509.ExtendedKeyUsageOID.SERVER_AUTH]), False))
    with pytest.raises(
        PhaseError, match=r"admin\.conf would be accepted by nobody: .* exclude the extended key usage .*; use a CA"
    ):
        perform(init_run(node)[0], kubeconfig)
    assert ADMIN not in node.files


def test_another_ca_is_an_error_and_nothing_is_overwritten() -> None:
    node, stranger = made(), certified(cluster=2)
    node.files[ADMIN] = stranger.files[ADMIN]
    before = dict(node.files)
    with pytest.raises(PhaseError, match=r"admin\.conf trusts another CA than /etc/kubernetes/pki/ca\.crt; put the right"):
        perform(init_run(node)[0], kubeconfig)
    assert node.files == before


def test_nothing_is_made_of_an_authority_that_has_expired() -> None:
    node = made()
    node.remove([ADMIN])
    run, _ = init_run(node)
    run.now = lambda: NOW + timedelta(days=3651)
    with pytest.raises(PhaseError, match=r"^/etc/kubernetes/pki/ca\.crt expired on 2036-.*: the CA itself has to be replaced$"):
        perform(run, kubeconfig)
    assert ADMIN not in node.files


def test_another_server_is_a_warning() -> None:
    node = made()
    run, events = init_run(node, configuration(control_plane_endpoint="lb.test"))
    assert perform(run, kubeconfig) == []
    assert f"{ADMIN} leads to https://10.0.0.9:6443, not to https://lb.test:6443" in warnings(events)


def test_an_old_or_foreign_client_certificate_is_a_warning() -> None:
    node, stranger = made(), certified(cluster=2)
    foreign = yaml.safe_load(stranger.text(ADMIN))
    own = yaml.safe_load(node.text(ADMIN))
    own["users"] = foreign["users"]
    node.put(ADMIN, yaml.safe_dump(own), 0o600)
    run, events = init_run(node)
    run.now = lambda: NOW + timedelta(days=366)
    perform(run, kubeconfig)
    assert f"{ADMIN}: its client certificate expired on 2027-03-04 05:06:07 UTC" in warnings(events)
    assert f"{ADMIN}: its client certificate is not signed by this cluster's CA" in warnings(events)


def test_a_kubelets_kubeconfig_may_name_files() -> None:
    node = made()
    path = "/etc/kubernetes/kubelet.conf"
    document = yaml.safe_load(node.text(path))
    pem = "/var/lib/kubelet/pki/kubelet-client-current.pem"
    document["users"][0]["user"] = {"client-certificate": pem, "client-key": pem}
    document["clusters"][0]["cluster"] = {
        "server": "https://10.0.0.9:6443",
        "certificate-authority": "/etc/kubernetes/pki/ca.crt",
    }
    node.put(path, yaml.safe_dump(document), 0o600)
    with pytest.raises(PhaseError, match=r"kubelet-client-current\.pem does not exist, though .*kubelet\.conf leads to it"):
        perform(init_run(node)[0], kubeconfig)
    node.put(pem, "\0\0")
    with pytest.raises(PhaseError, match=r"kubelet-client-current\.pem holds no certificate .* and .*kubelet\.conf"):
        perform(init_run(node)[0], kubeconfig)
    node.put(pem, node.text("/etc/kubernetes/pki/apiserver-kubelet-client.crt"))
    run, events = init_run(node)
    assert perform(run, kubeconfig) == []
    assert warnings(events) == []


@pytest.mark.parametrize(
    ("content", "sentence"), [("x: [", "cannot be read"), ("kind: Config", "has no current-context"), ("", "is empty")]
)
def test_a_file_that_is_no_kubeconfig_is_an_error(content: str, sentence: str) -> None:
    node = made()
    node.put(ADMIN, content)
    with pytest.raises(PhaseError, match=f"admin.conf {sentence}"):
        perform(init_run(node)[0], kubeconfig)


def test_without_a_ca_the_error_says_how_to_get_one() -> None:
    with pytest.raises(PhaseError, match="init phase certs ca"):
        perform(init_run(FakeNode())[0], kubeconfig)


def test_another_directory() -> None:
    node = FakeNode()
    perform(init_run(node, kubeconfig_dir="/tmp/k")[0], certs, kubeconfig)
    assert "/tmp/k/admin.conf" in node.files
