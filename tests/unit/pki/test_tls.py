"""TLS contexts: whom they trust, and what is said of PEM that cannot be used. No word of OpenSSL's is in it."""

from __future__ import annotations

import ssl
from contextlib import suppress

import pytest
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, PrivateFormat

from pykubeadm.pki.issue import Authority, cross_sign, encode_certificate
from pykubeadm.pki.keys import encode_private_key, generate_key
from pykubeadm.pki.pem import Block
from pykubeadm.pki.tls import client_context, show_certificate
from pykubeadm.transport.http import UnansweredError, exchange
from tests.support.servers import authority, ca_pem, serving

KEY = authority().key
PEM_KEY = encode_private_key(KEY)
LEGACY = KEY.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, BestAvailableEncryption(b"secret"))
NONSENSE = Block("CERTIFICATE", b"nonsense").encoded()


def test_every_certificate_that_can_be_read_is_trusted() -> None:
    context = client_context(b"text\n" + NONSENSE + ca_pem() + encode_certificate(authority("other").certificate))
    assert context.cert_store_stats()["x509_ca"] == 2
    assert context.check_hostname


def test_an_authority_that_another_one_signed_is_trusted_alone() -> None:
    """Users bring CAs that their company's CA signed, which nobody in the cluster knows."""
    own = authority("cluster")
    signed = Authority(cross_sign(own.certificate, authority("company")), own.key)
    with serving(ca=signed) as server:
        url = f"https://{server.endpoint}/version"
        assert exchange(url, timeout=10, tls=client_context(encode_certificate(signed.certificate))).status == 200
        with pytest.raises(UnansweredError):
            exchange(url, timeout=10, tls=client_context(encode_certificate(authority("other").certificate)))


@pytest.mark.parametrize(
    ("ca", "end"),
    [
        (b"", "holds no certificate in PEM form"),
        (ca_pem().replace(b"\n", b"\n  "), "holds no certificate in PEM form, only what looks like one"),
        (NONSENSE, "holds a certificate that cannot be read"),
        (PEM_KEY, "holds no certificate in PEM form"),
    ],
    ids=range(4),
)
def test_a_ca_that_is_none_is_reported(ca: bytes, end: str) -> None:
    with pytest.raises(ValueError) as error:
        client_context(ca)
    assert str(error.value).startswith(end)


@pytest.mark.parametrize(
    ("certificate", "key", "sentence"),
    [
        (b"", PEM_KEY, "the client certificate holds no certificate"),
        (ca_pem(), b"", "the client certificate's key holds no private key"),
        (ca_pem(), LEGACY, "the client certificate's key holds an encrypted private key"),
        (ca_pem(), encode_private_key(generate_key("ECDSA-P256")), "the client certificate and its key do not belong together"),
        (NONSENSE, PEM_KEY, "the client certificate or its key is damaged"),
        (ca_pem(), Block("EC PRIVATE KEY", b"nonsense").encoded(), "the client certificate or its key is damaged"),
    ],
    ids=range(6),
)
def test_a_pair_that_cannot_be_shown_is_reported(certificate: bytes, key: bytes, sentence: str) -> None:
    with pytest.raises(ValueError) as error:
        show_certificate(client_context(None), certificate, key)
    assert str(error.value).startswith(sentence)


def test_a_pair_may_be_in_one_file_among_text() -> None:
    both = b"Bag Attributes: x\n" + PEM_KEY + b"subject=x\n" + ca_pem()
    context = client_context(ca_pem())
    show_certificate(context, both, both)
    assert shown_to_a_server(context) == authority().certificate.public_bytes(Encoding.DER)


def shown_to_a_server(context: ssl.SSLContext) -> bytes | None:
    """The certificate that a server is shown in a handshake."""
    context.check_hostname = False
    asking = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    show_certificate(asking, ca_pem(), PEM_KEY)
    asking.load_verify_locations(cadata=ca_pem().decode())
    asking.verify_mode = ssl.CERT_REQUIRED
    there, back = ssl.MemoryBIO(), ssl.MemoryBIO()
    server, client = asking.wrap_bio(there, back, server_side=True), context.wrap_bio(back, there)
    for side in (client, server, client, server):
        with suppress(ssl.SSLWantReadError):
            side.do_handshake()
    return server.getpeercert(binary_form=True)
