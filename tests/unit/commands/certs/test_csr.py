from __future__ import annotations

import base64
from datetime import UTC, datetime
from pathlib import Path

import pytest
import yaml
from cryptography import x509

from pykubeadm.commands import existing as commands
from pykubeadm.commands.certs.csr import generate_csr
from pykubeadm.config.host import HostFacts
from pykubeadm.config.source import Source
from pykubeadm.errors import ConfigError, PhaseError
from pykubeadm.node.local import LocalNode
from pykubeadm.pki.issue import load_request
from pykubeadm.pki.keys import load_private_key
from pykubeadm.workflow.events import Event, RunFinished
from tests.support.control_plane_files import CONFIG, all_ends, write_control_plane

CERTIFICATES = (
    "apiserver", "apiserver-kubelet-client", "front-proxy-client", "etcd/server", "etcd/peer", "etcd/healthcheck-client",
    "apiserver-etcd-client",
)  # fmt: skip
CONFS = ("admin", "super-admin", "kubelet", "controller-manager", "scheduler")
OPTIONS = {"cert_dir": "/csr/pki", "kubeconfig_dir": "/csr"}


def generate(root: Path, **options: str) -> str:
    events: list[Event] = []
    source = Source("cfg.yaml", CONFIG.encode())
    generate_csr({**OPTIONS, **options}, events.append, machine=LocalNode(str(root)), source=source)
    return next(event.outcome for event in events if isinstance(event, RunFinished))


def files(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def test_no_certificate_is_asked_for_an_address_that_nobody_knows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(commands, "host_facts", lambda _node: HostFacts("machine"))
    with pytest.raises(ConfigError, match="--config: there is no default route whose address"):
        generate_csr(OPTIONS, lambda _event: None, machine=LocalNode(str(tmp_path)))
    assert files(tmp_path) == {}


def test_kubeadms_files_each_for_its_owner_only(tmp_path: Path) -> None:
    assert generate(tmp_path) == "changed"
    made = files(tmp_path / "csr")
    wanted = {f"pki/{name}.{ending}" for name in CERTIFICATES for ending in ("key", "csr")}
    wanted |= {f"{name}.conf{ending}" for name in CONFS for ending in ("", ".csr")}
    assert made.keys() == wanted
    assert {path.stat().st_mode & 0o777 for path in (tmp_path / "csr").rglob("*") if path.is_file()} == {0o600}
    for name in CERTIFICATES:
        request = load_request(made[f"pki/{name}.csr"])
        assert request.public_key() == load_private_key(made[f"pki/{name}.key"]).public_key()
    names = load_request(made["pki/apiserver.csr"]).extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == [
        "cp1", "kubernetes", "kubernetes.default", "kubernetes.default.svc", "kubernetes.default.svc.cluster.local",
    ]  # fmt: skip
    assert [str(address) for address in names.get_values_for_type(x509.IPAddress)] == ["10.96.0.1", "10.0.0.9"]


def test_a_kubeconfig_has_the_key_and_nothing_that_is_to_be_signed(tmp_path: Path) -> None:
    generate(tmp_path)
    made = files(tmp_path / "csr")
    document = yaml.safe_load(made["kubelet.conf"])
    assert document["clusters"][0]["cluster"] == {"server": "https://10.0.0.9:6443"}
    assert document["users"][0]["user"].keys() == {"client-key-data"}
    request = load_request(made["kubelet.conf.csr"])
    assert request.subject.rfc4514_string() == "CN=system:node:cp1,O=system:nodes"
    key = load_private_key(base64.b64decode(document["users"][0]["user"]["client-key-data"]))
    assert request.public_key() == key.public_key()


def test_run_again_nothing_changes_and_what_is_missing_is_made_of_the_key_that_is_there(tmp_path: Path) -> None:
    generate(tmp_path)
    before = files(tmp_path / "csr")
    assert generate(tmp_path) == "unchanged"
    assert files(tmp_path / "csr") == before
    for name in ("pki/apiserver.csr", "admin.conf.csr"):
        (tmp_path / "csr" / name).unlink()
    assert generate(tmp_path) == "changed"
    after = files(tmp_path / "csr")
    for name in ("pki/apiserver.csr", "admin.conf.csr"):
        assert load_request(after[name]).public_key() == load_request(before[name]).public_key()


def test_the_files_of_a_running_control_plane_get_requests_beside_them_and_stay(tmp_path: Path) -> None:
    now = datetime.now(UTC)
    write_control_plane(tmp_path, all_ends(now), begin=now)
    before = files(tmp_path / "etc")
    generate(tmp_path, cert_dir="/etc/kubernetes/pki", kubeconfig_dir="/etc/kubernetes")
    after = files(tmp_path / "etc")
    assert before.items() <= after.items()
    assert {path for path in after.keys() - before.keys() if not path.endswith(".csr")} == set()
    request = load_request(after["kubernetes/pki/etcd/peer.csr"])
    assert request.public_key() == load_private_key(before["kubernetes/pki/etcd/peer.key"]).public_key()


def test_a_kubeconfig_without_a_key_is_reported(tmp_path: Path) -> None:
    (tmp_path / "csr").mkdir()
    (tmp_path / "csr/admin.conf").write_text(
        "{current-context: a, contexts: [{name: a, context: {cluster: c, user: u}}], "
        "clusters: [{name: c, cluster: {server: s}}], users: [{name: u, user: {token: t}}]}"
    )
    with pytest.raises(PhaseError, match=r"/csr/admin.conf has no client key; move it away"):
        generate(tmp_path)
