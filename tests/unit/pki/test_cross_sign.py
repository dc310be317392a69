"""A CA that another one signed, too: judged by TLS handshakes."""

from __future__ import annotations

import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from pykubeadm.pki.issue import Authority, Subject, cross_sign, encode_certificate, issue_ca, issue_leaf
from pykubeadm.pki.keys import encode_private_key, generate_key
from pykubeadm.pki.sans import Names
from pykubeadm.pki.table import Usage

NOW = datetime.now(UTC)


def authority(algorithm: str = "ECDSA-P256", *, days: int = 10) -> Authority:
    """As kubeadm makes one: all have the same name."""
    key = generate_key(algorithm)
    subject = Subject("kubernetes", NOW - timedelta(days=1), NOW + timedelta(days=days), names=Names(dns=("kubernetes",)))
    return Authority(issue_ca(subject, key), key)


def handshake(folder: Path, shown: bytes, trusted: bytes) -> None:
    """SSLCertVerificationError where a client that trusts `trusted` does not accept a server with `shown`, its key included."""
    pair = folder / "pair.pem"
    pair.write_bytes(shown)
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(pair)
    client = ssl.create_default_context(cadata=trusted.decode())
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    ends = [
        client.wrap_bio(to_client, to_server, server_hostname="kube-apiserver"),
        server.wrap_bio(to_server, to_client, server_side=True),
    ]
    for _ in range(4):
        for end in ends:
            try:
                end.do_handshake()
            except ssl.SSLWantReadError:
                continue
    assert ends[0].cipher()
    assert ends[0].getpeercert()


def shown_by(new: Authority, chain: bytes = b"") -> bytes:
    key = generate_key("ECDSA-P256")
    names = Names(dns=("kube-apiserver",))
    subject = Subject("kube-apiserver", NOW, NOW + timedelta(days=5), usages=(Usage.SERVER_AUTH,), names=names)
    return encode_certificate(issue_leaf(subject, key.public_key(), new)) + chain + encode_private_key(key)


@pytest.mark.parametrize("algorithm", ["ECDSA-P256", "RSA-2048"])
def test_who_trusts_either_ca_or_both_trusts_what_the_new_one_signs(tmp_path: Path, algorithm: str) -> None:
    old, new = authority(algorithm), authority(algorithm)
    chained = shown_by(new, encode_certificate(cross_sign(new.certificate, old)))
    old_pem, new_pem = encode_certificate(old.certificate), encode_certificate(new.certificate)
    for trusted in (old_pem, new_pem, old_pem + new_pem, new_pem + old_pem):
        handshake(tmp_path, chained, trusted)
    with pytest.raises(ssl.SSLCertVerificationError):
        handshake(tmp_path, shown_by(new), old_pem)
    with pytest.raises(ssl.SSLCertVerificationError):
        handshake(tmp_path, chained, encode_certificate(authority(algorithm).certificate))


def test_it_is_valid_no_longer_than_either() -> None:
    old, new = authority(days=3), authority(days=300)
    crossed = cross_sign(new.certificate, old)
    assert crossed.not_valid_after_utc == old.certificate.not_valid_after_utc
    assert crossed.public_key() == new.certificate.public_key()
    assert crossed.issuer == old.certificate.subject
    crossed.verify_directly_issued_by(old.certificate)
