from __future__ import annotations

import base64
import re
from datetime import timedelta

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from joserfc import jws
from joserfc.jwk import OctKey

from pykubeadm.config.model import BootstrapToken, Etcd, ExternalEtcd
from pykubeadm.pki.issue import issue_ca, subject_of
from pykubeadm.pki.keys import generate_key
from pykubeadm.pki.table import BY_NAME
from pykubeadm.tokens.bootstrap import Token, generate_token, parse_token
from pykubeadm.tokens.certificate_key import generate_certificate_key, parse_certificate_key
from pykubeadm.tokens.documents import cluster_info, cluster_info_rbac, expiry_secret, node_rbac, token_secret
from pykubeadm.tokens.jws import is_signed_with, sign_detached
from pykubeadm.tokens.pin import matches_pin, pin_of
from pykubeadm.tokens.shared_certificates import (
    decrypt_files,
    encrypt_files,
    shared_certificates_rbac,
    shared_certificates_secret,
    shared_files,
)
from tests.support.init_runs import NOW, configuration

TOKEN = Token("abcdef", "0123456789abcdef")


def decoded(secret: dict[str, dict[str, str]]) -> dict[str, str]:
    return {name: base64.b64decode(value).decode() for name, value in secret["data"].items()}


def test_tokens_are_made_in_their_form_and_differ() -> None:
    tokens = {generate_token().text for _ in range(20)}
    assert len(tokens) == 20
    assert all(re.fullmatch(r"[a-z0-9]{6}\.[a-z0-9]{16}", token) for token in tokens)


def test_a_token_shows_its_secret_only_as_text() -> None:
    assert parse_token("abcdef.0123456789abcdef") == TOKEN
    assert TOKEN.text == "abcdef.0123456789abcdef"
    assert TOKEN.secret not in f"{TOKEN} {TOKEN!r}"
    assert (TOKEN.secret_name, TOKEN.user_name) == ("bootstrap-token-abcdef", "system:bootstrap:abcdef")


@pytest.mark.parametrize("text", ["", "abcdef", "ABCDEF.0123456789abcdef", "abcdef.0123456789abcde", "abcdef.0123456789abcdef\n"])
def test_other_texts_are_no_tokens_and_are_not_repeated(text: str) -> None:
    with pytest.raises(ValueError, match="has the form") as raised:
        parse_token(text)
    assert not text or text not in str(raised.value)


def test_the_signature_is_byte_for_byte_go_joses() -> None:
    header = base64.urlsafe_b64encode(b'{"alg":"HS256","kid":"abcdef"}').rstrip(b"=").decode()
    signature = sign_detached("content", TOKEN)
    assert signature.startswith(f"{header}..")
    assert is_signed_with(signature, "content", TOKEN)
    assert not is_signed_with(signature, "content ", TOKEN)
    assert not is_signed_with(signature, "content", Token("abcdef", "0123456789abcdeg"))
    assert not is_signed_with("ä", "content", TOKEN)


def test_joserfc_agrees_with_the_signature() -> None:
    key = OctKey.import_key(TOKEN.secret.encode())
    compact = jws.serialize_compact({"alg": "HS256", "kid": TOKEN.id}, b"some: kubeconfig\n", key)
    assert sign_detached("some: kubeconfig\n", TOKEN) == jws.detach_content(compact)


def test_the_secret_of_a_token() -> None:
    secret = token_secret(BootstrapToken(token=TOKEN.text, description="for tests", ttl=timedelta(hours=2)), NOW)
    assert secret["metadata"] == {"name": "bootstrap-token-abcdef", "namespace": "kube-system"}
    assert secret["type"] == "bootstrap.kubernetes.io/token"
    assert decoded(secret) == {
        "token-id": "abcdef",
        "token-secret": "0123456789abcdef",
        "description": "for tests",
        "expiration": "2026-03-04T07:06:07Z",
        "usage-bootstrap-signing": "true",
        "usage-bootstrap-authentication": "true",
        "auth-extra-groups": "system:bootstrappers:kubeadm:default-node-token",
    }


@pytest.mark.parametrize(
    ("token", "expiration"),
    [
        (BootstrapToken(token=TOKEN.text), "2026-03-05T05:06:07Z"),
        (BootstrapToken(token=TOKEN.text, ttl=timedelta()), None),
        (BootstrapToken(token=TOKEN.text, expires="2030-01-01T02:00:00+02:00"), "2030-01-01T00:00:00Z"),
    ],
)
def test_expiry(token: BootstrapToken, expiration: str | None) -> None:
    assert decoded(token_secret(token, NOW)).get("expiration") == expiration


def test_the_token_that_only_expires() -> None:
    assert decoded(expiry_secret(TOKEN, NOW)) == {
        "token-id": "abcdef",
        "token-secret": "0123456789abcdef",
        "description": "Proxy for managing TTL for the kubeadm-certs secret",
        "expiration": "2026-03-04T05:06:07Z",
    }


def test_bindings_of_the_bootstrap_token_phase() -> None:
    bindings = {
        document["metadata"]["name"]: (
            document["roleRef"]["name"],
            document["subjects"][0]["kind"],
            document["subjects"][0]["name"],
        )
        for document in (*node_rbac(), *cluster_info_rbac(), *shared_certificates_rbac())
        if "roleRef" in document
    }
    bootstrappers = "system:bootstrappers:kubeadm:default-node-token"
    signing_requests = "system:certificates.k8s.io:certificatesigningrequests"
    assert bindings == {
        "kubeadm:get-nodes": ("kubeadm:get-nodes", "Group", bootstrappers),
        "kubeadm:kubelet-bootstrap": ("system:node-bootstrapper", "Group", bootstrappers),
        "kubeadm:node-autoapprove-bootstrap": (f"{signing_requests}:nodeclient", "Group", bootstrappers),
        "kubeadm:node-autoapprove-certificate-rotation": (f"{signing_requests}:selfnodeclient", "Group", "system:nodes"),
        "kubeadm:apiserver-kubelet-client": ("system:kubelet-api-admin", "User", "kube-apiserver-kubelet-client"),
        "kubeadm:bootstrap-signer-clusterinfo": ("kubeadm:bootstrap-signer-clusterinfo", "User", "system:anonymous"),
        "kubeadm:kubeadm-certs": ("kubeadm:kubeadm-certs", "Group", bootstrappers),
    }


def test_cluster_info_is_public() -> None:
    document = cluster_info("text")
    assert document["metadata"] == {"name": "cluster-info", "namespace": "kube-public"}
    assert document["data"] == {"kubeconfig": "text"}
    assert {rule["metadata"]["namespace"] for rule in cluster_info_rbac()} == {"kube-public"}


def test_certificate_keys() -> None:
    key = generate_certificate_key()
    assert len(parse_certificate_key(key)) == 32
    for wrong in ("", key[:-2], key + "00", "x" * 64, " " + key[1:]):
        with pytest.raises(ValueError, match="64 hexadecimal digits") as raised:
            parse_certificate_key(wrong)
        assert not wrong or wrong not in str(raised.value)


def test_shared_files_are_sealed_as_kubeadm_seals_them() -> None:
    key = bytes(range(32))
    data = encrypt_files({"ca.crt": b"certificate", "ca.key": None}, key, random=lambda size: b"n" * size)
    sealed = base64.b64decode(data["ca.crt"])
    assert sealed[:12] == b"n" * 12
    assert AESGCM(key).decrypt(sealed[:12], sealed[12:], None) == b"certificate"
    assert data["ca.key"] == ""
    assert decrypt_files(data, key) == {"ca.crt": b"certificate", "ca.key": None}


@pytest.mark.parametrize("change", [lambda text: text[:-8] + "AAAAAAA=", lambda _: "AAAA", lambda _: "*"])
def test_another_key_or_changed_data_is_reported(change: object) -> None:
    data = encrypt_files({"ca.crt": b"certificate"}, bytes(32))
    with pytest.raises(ValueError, match=r"ca\.crt in the Secret kubeadm-certs cannot be decrypted"):
        decrypt_files(data, bytes(31) + b"x")
    with pytest.raises(ValueError, match="cannot be decrypted"):
        decrypt_files({"ca.crt": change(data["ca.crt"])}, bytes(32))  # type: ignore[operator]  # a function of text


def test_nonces_are_never_used_twice() -> None:
    data = encrypt_files({"a": b"x", "b": b"x"}, bytes(32))
    assert base64.b64decode(data["a"])[:12] != base64.b64decode(data["b"])[:12]


def test_which_files_control_planes_share() -> None:
    own = shared_files(configuration(certificates_dir="/pki").cluster)
    assert own == {
        "ca.crt": "/pki/ca.crt",
        "ca.key": "/pki/ca.key",
        "front-proxy-ca.crt": "/pki/front-proxy-ca.crt",
        "front-proxy-ca.key": "/pki/front-proxy-ca.key",
        "sa.pub": "/pki/sa.pub",
        "sa.key": "/pki/sa.key",
        "etcd-ca.crt": "/pki/etcd/ca.crt",
        "etcd-ca.key": "/pki/etcd/ca.key",
    }
    etcd = Etcd(external=ExternalEtcd(endpoints=("https://e:2379",), ca_file="/e/ca", cert_file="/e/crt", key_file="/e/key"))
    external = shared_files(configuration(etcd=etcd).cluster)
    assert {name: path for name, path in external.items() if "etcd" in name} == {
        "external-etcd-ca.crt": "/e/ca",
        "external-etcd.crt": "/e/crt",
        "external-etcd.key": "/e/key",
    }


def test_the_shared_secret_goes_with_its_token() -> None:
    secret = shared_certificates_secret({"ca.crt": "AA=="}, "bootstrap-token-abcdef", "uid-1")
    assert secret["metadata"]["ownerReferences"] == [
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "name": "bootstrap-token-abcdef",
            "uid": "uid-1",
            "controller": True,
            "blockOwnerDeletion": True,
        }
    ]
    assert secret["data"] == {"ca.crt": "AA=="}


def test_pins() -> None:
    certificates = [issue_ca(subject_of(BY_NAME["ca"], configuration(), NOW), generate_key("ECDSA-P256")) for _ in range(2)]
    pin = pin_of(certificates[0])
    assert re.fullmatch("sha256:[0-9a-f]{64}", pin)
    assert matches_pin(certificates[0], ["sha256:00", pin.upper()])
    assert not matches_pin(certificates[1], [pin])
