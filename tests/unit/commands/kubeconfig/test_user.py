from __future__ import annotations

import base64
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from pykubeadm.commands.kubeconfig.user import kubeconfig_user
from pykubeadm.commands.source import read_source
from pykubeadm.errors import ConfigError, PhaseError
from pykubeadm.node.local import LocalNode
from pykubeadm.pki.check import is_for_key, load_certificates
from pykubeadm.pki.issue import Subject, encode_certificate, make_request
from pykubeadm.pki.keys import encode_private_key, generate_key, load_private_key
from pykubeadm.workflow.events import Event, Note
from tests.support.control_plane_files import CONFIG, all_ends, write_control_plane

NOW = datetime.now(UTC).replace(microsecond=0)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    authorities = write_control_plane(tmp_path, all_ends(NOW), begin=NOW - timedelta(days=3))
    second = encode_certificate(authorities["etcd-ca"].certificate)
    with (tmp_path / "etc/kubernetes/pki/ca.crt").open("ab") as file:
        file.write(second)  # a trust bundle
    (tmp_path / "cfg.yaml").write_text(CONFIG + "clusterName: prod\ncontrolPlaneEndpoint: api.example.org:8443\n")
    return tmp_path


def made(root: Path, **options: Any) -> dict[str, Any]:
    events: list[Event] = []
    machine = LocalNode(str(root))
    source = None if "kubeconfig" in options else read_source("/cfg.yaml", str(root))
    text = kubeconfig_user({"client_name": "jane", **options}, events.append, machine=machine, source=source)
    assert events == []
    document: dict[str, Any] = yaml.safe_load(text)
    return document


def certificate_of(document: dict[str, Any]) -> x509.Certificate:
    return load_certificates(base64.b64decode(document["users"][0]["user"]["client-certificate-data"]))[0]


def test_a_user_of_the_configured_cluster(root: Path) -> None:
    document = made(root, org=("web", "ops", "web"))
    assert document["current-context"] == document["contexts"][0]["name"] == "jane@prod"
    assert document["contexts"][0]["context"] == {"cluster": "prod", "user": "jane"}
    cluster = document["clusters"][0]["cluster"]
    assert cluster["server"] == "https://api.example.org:8443"
    assert base64.b64decode(cluster["certificate-authority-data"]) == (root / "etc/kubernetes/pki/ca.crt").read_bytes()
    certificate = certificate_of(document)
    assert certificate.subject.rfc4514_string() == "CN=jane,O=ops+O=web"
    assert certificate.not_valid_before_utc == NOW - timedelta(days=3)
    assert timedelta(days=365) - timedelta(minutes=5) < certificate.not_valid_after_utc - NOW <= timedelta(days=366)
    key = load_private_key(base64.b64decode(document["users"][0]["user"]["client-key-data"]))
    assert is_for_key(certificate, key)


def test_without_a_configuration_the_cluster_is_the_one_of_admin_conf(root: Path) -> None:
    admin = root / "etc/kubernetes/admin.conf"
    document = yaml.safe_load(admin.read_text())
    document["clusters"][0]["name"] = document["contexts"][0]["context"]["cluster"] = "k"
    document["clusters"][0]["cluster"]["server"] = "https://127.0.0.1:1"
    admin.write_text(yaml.safe_dump(document))
    events: list[Event] = []
    text = kubeconfig_user({"client_name": "jane"}, events.append, machine=LocalNode(str(root)))
    document = yaml.safe_load(text)
    assert document["clusters"][0]["name"] == "k"
    assert document["clusters"][0]["cluster"]["server"] == "https://127.0.0.1:1"
    assert [event.message.split(",")[0] for event in events if isinstance(event, Note)] == [
        "the cluster's configuration cannot be read"
    ]


def test_a_token_needs_no_key_of_the_ca(root: Path) -> None:
    (root / "etc/kubernetes/pki/ca.key").unlink()
    assert made(root, token="t0ken")["users"] == [{"name": "jane", "user": {"token": "t0ken"}}]
    with pytest.raises(PhaseError, match=r"ca.key does not exist, so nothing can be signed"):
        made(root)


def test_a_request_is_certified_for_its_key_and_the_name_that_was_given(root: Path) -> None:
    key = generate_key("ECDSA-P256")
    (root / "jane.csr").write_bytes(make_request(Subject("admin", NOW, NOW, ("system:masters",)), key))
    document = made(root, csr="/jane.csr")
    certificate = certificate_of(document)
    assert certificate.subject.rfc4514_string() == "CN=jane"
    assert is_for_key(certificate, key)
    user = document["users"][0]["user"]
    assert user["client-key"] == "jane.key"
    assert "client-key-data" not in user


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"garbage", "/jane.csr holds no certificate signing request that can be read"),
        (b"", "/jane.csr holds no certificate signing request that can be read"),
        (encode_private_key(generate_key("ECDSA-P256")), "/jane.csr holds no certificate signing request"),
    ],
    ids=["garbage", "an empty file", "a private key"],
)
def test_what_is_no_request_is_refused(root: Path, content: bytes, sentence: str) -> None:
    (root / "jane.csr").write_bytes(content)
    with pytest.raises(PhaseError, match=sentence):
        made(root, csr="/jane.csr")


def test_a_request_whose_key_its_sender_does_not_have_is_refused(root: Path) -> None:
    der = bytearray(
        x509.load_pem_x509_csr(make_request(Subject("jane", NOW, NOW), generate_key("RSA-2048"))).public_bytes(Encoding.DER)
    )
    der[-1] ^= 1  # the signature's last byte
    pem = b"-----BEGIN CERTIFICATE REQUEST-----\n" + base64.encodebytes(der) + b"-----END CERTIFICATE REQUEST-----\n"
    (root / "jane.csr").write_bytes(pem)
    with pytest.raises(PhaseError, match=r"/jane.csr holds a request that is not signed with the key it is for"):
        made(root, csr="/jane.csr")


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"validity_period": "0"}, "--validity-period: 0 is too short"),
        ({"validity_period": "-1h"}, "--validity-period: -1h is too short"),
        ({"validity_period": "1 day"}, '--validity-period: "1 day" is not a duration'),
        ({"client_name": " "}, "--client-name: is empty"),
        ({"client_name": "j\udcff"}, "--client-name: holds characters that cannot be printed"),
        ({"org": ("web", "o\nps")}, "--org: holds characters that cannot be printed"),
        ({"validity_period": "999ms"}, "--validity-period: 999ms is too short"),
        ({"csr": "/jane.csr", "token": "t"}, "--csr: is for a certificate and --token for none"),
        ({"csr": "/none.csr"}, "--csr: /none.csr does not exist"),
        ({"csr": ""}, "--csr: is empty"),
        ({"token": ""}, "--token: is empty"),
        ({"token": " "}, "--token: is empty"),
        ({"output_file": "/cfg.yaml"}, "--output-file: /cfg.yaml exists"),
        ({"kubeconfig": "/none.conf"}, "--kubeconfig: /none.conf does not exist"),
    ],
)
def test_nonsense_is_refused(root: Path, options: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ConfigError, match=sentence):
        made(root, **options)


def test_what_a_token_has_no_use_for_is_said(root: Path) -> None:
    events: list[Event] = []
    options = {"client_name": "jane", "token": "t", "org": ("web",), "validity_period": "720h"}
    kubeconfig_user(options, events.append, machine=LocalNode(str(root)), source=read_source("/cfg.yaml", str(root)))
    assert [event.message for event in events if isinstance(event, Note)] == [
        "--org and --validity-period are ignored: with --token no certificate is made"
    ]


def test_all_that_is_wrong_is_said_at_once(root: Path) -> None:
    (root / "cfg.yaml").write_text(CONFIG + "clusterName: 1\n")
    wrong = {"client_name": "", "csr": "/none.csr", "token": "t", "validity_period": "x", "output_file": "/cfg.yaml"}
    with pytest.raises(ConfigError) as caught:
        kubeconfig_user(
            {**wrong, "kubeconfig": "/none.conf"},
            lambda _event: None,
            machine=LocalNode(str(root)),
            source=read_source("/cfg.yaml", str(root)),
        )
    flags = [line.split(":")[0] for line in str(caught.value).splitlines()]
    assert flags == ["--client-name", "--csr", "--csr", "--kubeconfig", "--output-file", "--validity-period", "/cfg.yaml"]


def test_what_would_outlive_the_ca_is_refused(root: Path) -> None:
    write_control_plane(root, all_ends(datetime.now(UTC)), begin=NOW)  # NOW may be long ago
    with pytest.raises(PhaseError, match=r"jane would be valid until .*: set --validity-period to 87599h at most"):
        made(root, validity_period="90000h")


def test_a_file_is_for_its_owner_only(root: Path) -> None:
    assert made(root, output_file="/jane.conf") is None
    assert (root / "jane.conf").stat().st_mode & 0o777 == 0o600
    assert yaml.safe_load((root / "jane.conf").read_text())["current-context"] == "jane@prod"
