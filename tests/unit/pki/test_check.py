from __future__ import annotations

import base64
from datetime import timedelta
from ipaddress import ip_address, ip_network

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding

from pykubeadm.pki.check import (
    ca_problem,
    is_for_key,
    is_signed_by,
    leaf_problems,
    load_certificates,
    not_allowed,
    period_problem,
)
from pykubeadm.pki.issue import Authority, Subject, encode_certificate, issue_ca, issue_leaf
from pykubeadm.pki.keys import generate_key
from pykubeadm.pki.sans import Names, names_of
from pykubeadm.pki.table import Usage
from tests.support.authorities import authority_with
from tests.support.init_runs import NOW

DAY = timedelta(days=1)


def ca(name: str = "root") -> Authority:
    key = generate_key("ECDSA-P256")
    return Authority(issue_ca(Subject(name, NOW - DAY, NOW + DAY), key), key)


def intermediate(parent: Authority, *, signs: bool | None = None, curve: ec.EllipticCurve | None = None) -> Authority:
    """`signs` is what its key usage says; None: it has none."""
    key = ec.generate_private_key(curve) if curve else generate_key("ECDSA-P256")
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "between")]))
        .issuer_name(parent.certificate.subject)
        .public_key(key.public_key())
        .serial_number(7)
        .not_valid_before(NOW - DAY)
        .not_valid_after(NOW + DAY)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    )
    if signs is not None:
        names = ("digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement", "crl_sign")
        others = dict.fromkeys((*names, "encipher_only", "decipher_only"), False) | {"digital_signature": True}
        builder = builder.add_extension(x509.KeyUsage(key_cert_sign=signs, **others), critical=True)
    return Authority(builder.sign(parent.key, SHA256()), key)


def leaf(signer: Authority, *names: str, usages: tuple[Usage, ...] = (Usage.SERVER_AUTH,)) -> x509.Certificate:
    subject = Subject("leaf", NOW - DAY, NOW + DAY, usages=usages, names=names_of(names))
    return issue_leaf(subject, generate_key("ECDSA-P256").public_key(), signer)


def test_chains_are_followed_over_intermediates_in_any_order() -> None:
    root, stranger = ca(), ca()  # the same name, another key
    middle = intermediate(root)
    certificate = leaf(middle)
    assert is_signed_by(leaf(root), [], root.certificate)
    assert is_signed_by(certificate, [stranger.certificate, middle.certificate], root.certificate)
    assert is_signed_by(certificate, [], middle.certificate)
    assert not is_signed_by(certificate, [], root.certificate)
    assert not is_signed_by(leaf(root), [], stranger.certificate)


def test_a_leaf_cannot_stand_between() -> None:
    root = ca()
    key = generate_key("ECDSA-P256")
    between = issue_leaf(Subject("root", NOW - DAY, NOW + DAY, usages=(Usage.SERVER_AUTH,)), key.public_key(), root)
    assert not is_signed_by(leaf(Authority(between, key)), [between], root.certificate)


def test_period() -> None:
    certificate = leaf(ca())
    assert period_problem(certificate, NOW) is None
    assert period_problem(certificate, NOW + 2 * DAY) == "expired on 2026-03-05 05:06:07 UTC"
    assert period_problem(certificate, NOW - 2 * DAY) == "is not valid before 2026-03-03 05:06:07 UTC"


def test_missing_names_and_usages_are_all_reported() -> None:
    certificate = leaf(ca(), "a.test", "10.0.0.1", usages=(Usage.CLIENT_AUTH,))
    wanted = Subject("leaf", NOW, NOW, usages=(Usage.SERVER_AUTH,), names=names_of(["a.test", "b.test", "10.0.0.1", "::1"]))
    assert list(leaf_problems(certificate, wanted)) == [
        "does not have the extended key usage serverAuth",
        "does not name b.test, ::1 among its subject alternative names",
    ]


def test_more_than_is_wanted_is_good() -> None:
    certificate = leaf(ca(), "a.test", "b.test", usages=(Usage.SERVER_AUTH, Usage.CLIENT_AUTH))
    wanted = Subject("leaf", NOW, NOW, usages=(Usage.CLIENT_AUTH,), names=names_of(["a.test"]))
    assert list(leaf_problems(certificate, wanted)) == []


def test_an_authority_whose_usage_forbids_it_signs_nothing() -> None:
    """kubeadm issues from it, and refuses what it issued when it is run again."""
    root = ca()
    forbidden, allowed = intermediate(root, signs=False), intermediate(root, signs=True)
    assert ca_problem(allowed.certificate) is None
    assert ca_problem(forbidden.certificate) == "its key usage does not allow it to sign certificates"
    assert is_signed_by(leaf(allowed), [allowed.certificate], root.certificate)
    assert not is_signed_by(leaf(forbidden), [forbidden.certificate], root.certificate)


POLICY = x509.CertificatePolicies([x509.PolicyInformation(x509.ObjectIdentifier("1.2.3"), None)])
UNKNOWN = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.3.6.1.4.1.99999.1"), b"\x05\x00")
WITHIN = x509.NameConstraints([x509.DNSName("example.com")], None)
ORGANIZATION = x509.DirectoryName(x509.Name([x509.NameAttribute(x509.NameOID.ORGANIZATION_NAME, "ACME")]))


@pytest.mark.parametrize(
    ("extension", "critical", "named"),
    [
        (UNKNOWN, True, "1.3.6.1.4.1.99999.1"),
        (UNKNOWN, False, ""),
        (x509.IssuerAlternativeName([x509.DNSName("a")]), True, "2.5.29.18"),
        (x509.NameConstraints([ORGANIZATION], None), True, "2.5.29.30"),
        (x509.NameConstraints(None, [ORGANIZATION]), False, ""),
        (WITHIN, True, ""),
        (POLICY, True, ""),
    ],
)
def test_an_authority_with_a_critical_extension_that_nobody_knows(
    extension: x509.ExtensionType, critical: bool, named: str
) -> None:
    """kubeadm issues from it, and all of Kubernetes refuses what it issued."""
    found = ca_problem(authority_with((extension, critical)).certificate)
    assert found == (f"it has a critical extension that Kubernetes' programs do not know ({named})" if named else None)


@pytest.mark.parametrize(
    ("permitted", "excluded", "refused"),
    [
        ([], ["example.org"], []),
        (["example.com"], [], ["kubernetes"]),
        (["Example.COM", "kubernetes"], [], []),
        ([".example.com", "kubernetes"], [], ["example.com"]),
        (["ample.com", "kubernetes"], [], ["example.com", "*.example.com", "a.example.com"]),
        ([""], [], []),
        ([], [""], ["kubernetes", "example.com", "*.example.com", "a.example.com"]),
        (["example.com", "kubernetes"], ["a.example.com"], ["a.example.com"]),
        (["10.0.0.0/8"], [], ["192.0.2.1", "::1"]),
        (["10.0.0.0/8", "192.0.2.1/32", "::/0"], ["10.96.0.0/12"], ["10.96.0.1"]),
        ([], ["::/0"], ["::1"]),
    ],
)
def test_names_that_an_authoritys_constraints_exclude(permitted: list[str], excluded: list[str], refused: list[str]) -> None:
    """As Go has it: each kind of names is free where no constraint permits one of that kind."""

    def subtrees(texts: list[str]) -> list[x509.GeneralName] | None:
        return [x509.IPAddress(ip_network(text)) if "/" in text else x509.DNSName(text) for text in texts] or None

    constraints = x509.NameConstraints(subtrees(permitted), subtrees(excluded))
    addresses = tuple(map(ip_address, ("10.96.0.1", "192.0.2.1", "::1")))
    names = Names(("kubernetes", "example.com", "*.example.com", "a.example.com"), addresses)
    assert list(not_allowed(authority_with((constraints, True)).certificate, tuple(Usage), names)) == refused


def test_usages_that_an_authority_is_not_for() -> None:
    clients = x509.ExtendedKeyUsage([x509.ExtendedKeyUsageOID.CLIENT_AUTH])
    anything = x509.ExtendedKeyUsage([x509.ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE])
    for extension, refused in ((clients, ["the extended key usage serverAuth"]), (anything, [])):
        assert list(not_allowed(authority_with((extension, False)).certificate, tuple(Usage), Names())) == refused


def test_a_certificate_for_a_curve_that_go_does_not_know_is_reported() -> None:
    pem = encode_certificate(intermediate(ca(), curve=ec.SECP256K1()).certificate)
    with pytest.raises(ValueError, match=r"^holds a certificate for a key on the curve secp256k1, which Kubernetes cannot use$"):
        load_certificates(pem)


def test_authorities_and_keys_are_reported_apart() -> None:
    root = ca()
    assert ca_problem(root.certificate) is None
    assert ca_problem(leaf(root)) == "its basic constraints do not say CA"
    assert is_for_key(root.certificate, root.key)
    assert not is_for_key(root.certificate, generate_key("ECDSA-P256"))


def test_certificates_are_read_in_order_and_rubbish_is_reported() -> None:
    first, second = ca("one").certificate, ca("two").certificate
    assert load_certificates(encode_certificate(first) + encode_certificate(second)) == (first, second)
    with pytest.raises(ValueError, match="holds no certificate"):
        load_certificates(b"rubbish")


def test_a_certificate_with_an_unknown_kind_of_key_is_reported() -> None:
    curve = bytes.fromhex("2a8648ce3d030107")  # prime256v1
    with pytest.raises(ValueError, match="holds a certificate that cannot be read"):
        load_certificates(changed(ca().certificate, curve, curve[:-1] + b"\x77"))


def test_a_certificate_that_names_an_organization_twice_is_reported() -> None:
    """kubeadm makes one with `kubeconfig user --org a,a`."""
    subject = Subject("jane", NOW - DAY, NOW + DAY, organizations=("web", "wec"), usages=(Usage.CLIENT_AUTH,))
    certificate = issue_leaf(subject, generate_key("ECDSA-P256").public_key(), ca())
    with pytest.raises(ValueError, match="holds a certificate that cannot be read"):
        load_certificates(changed(certificate, b"wec", b"web"))


def changed(certificate: x509.Certificate, old: bytes, new: bytes) -> bytes:
    der = certificate.public_bytes(Encoding.DER)
    assert old in der
    return b"-----BEGIN CERTIFICATE-----\n" + base64.encodebytes(der.replace(old, new)) + b"-----END CERTIFICATE-----\n"
