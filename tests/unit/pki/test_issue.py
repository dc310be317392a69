from __future__ import annotations

from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.x509.name import _ASN1Type
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from pykubeadm.pki.issue import Authority, Subject, issue_ca, issue_leaf, subject_of
from pykubeadm.pki.keys import generate_key
from pykubeadm.pki.table import BY_NAME, TABLE, Usage
from tests.support.init_runs import NOW, configuration

CONFIG = configuration()


def authority(algorithm: str = "ECDSA-P256") -> Authority:
    key = generate_key(algorithm)
    return Authority(issue_ca(subject_of(BY_NAME["ca"], CONFIG, NOW), key), key)


def leaf(name: str, node: str = "cp1") -> x509.Certificate:
    subject = subject_of(BY_NAME[name], configuration(node=node), NOW)
    return issue_leaf(subject, generate_key("ECDSA-P256").public_key(), authority())


def test_a_ca_signs_certificates_and_no_revocation_lists() -> None:
    ca = authority().certificate
    usage = ca.extensions.get_extension_for_class(x509.KeyUsage)
    assert usage.critical
    assert (usage.value.key_cert_sign, usage.value.crl_sign, usage.value.digital_signature) == (True, False, True)
    constraints = ca.extensions.get_extension_for_class(x509.BasicConstraints)
    assert constraints.critical
    assert constraints.value == x509.BasicConstraints(ca=True, path_length=None)
    names = ca.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["kubernetes"]
    assert ca.issuer == ca.subject
    ca.verify_directly_issued_by(ca)


def test_a_leaf_has_gos_extensions_in_gos_order() -> None:
    signer = authority()
    certificate = issue_leaf(subject_of(BY_NAME["apiserver"], CONFIG, NOW), generate_key("ECDSA-P256").public_key(), signer)
    assert [extension.value.__class__.__name__ for extension in certificate.extensions] == [
        "KeyUsage",
        "ExtendedKeyUsage",
        "BasicConstraints",
        "AuthorityKeyIdentifier",
        "SubjectAlternativeName",
    ]
    identifier = signer.certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value.digest
    assert certificate.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value.key_identifier == identifier
    certificate.verify_directly_issued_by(signer.certificate)


def test_validity_is_backdated_and_ends_the_period_after_now() -> None:
    certificate = leaf("front-proxy-client")
    assert certificate.not_valid_before_utc == NOW - timedelta(minutes=5)
    assert certificate.not_valid_after_utc == NOW + timedelta(days=365)
    assert authority().certificate.not_valid_after_utc == NOW + timedelta(days=3650)


@pytest.mark.parametrize(
    ("name", "common_name", "usages"),
    [
        ("apiserver", "kube-apiserver", [ExtendedKeyUsageOID.SERVER_AUTH]),
        ("apiserver-kubelet-client", "kube-apiserver-kubelet-client", [ExtendedKeyUsageOID.CLIENT_AUTH]),
        ("etcd-server", "cp1", [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]),
        ("etcd-peer", "cp1", [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]),
        ("apiserver-etcd-client", "kube-apiserver-etcd-client", [ExtendedKeyUsageOID.CLIENT_AUTH]),
    ],
)
def test_subject_and_usages(name: str, common_name: str, usages: list[x509.ObjectIdentifier]) -> None:
    certificate = leaf(name)
    assert [attribute.value for attribute in certificate.subject] == [common_name]
    assert list(certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value) == usages


@pytest.mark.parametrize(("algorithm", "digest"), [("ECDSA-P256", "sha256"), ("ECDSA-P384", "sha384"), ("RSA-2048", "sha256")])
def test_the_digest_is_as_strong_as_the_signers_key(algorithm: str, digest: str) -> None:
    hash_algorithm = authority(algorithm).certificate.signature_hash_algorithm
    assert hash_algorithm is not None
    assert hash_algorithm.name == digest


@pytest.mark.parametrize(
    ("common_name", "kind"),
    [("system:node:cp1", _ASN1Type.PrintableString), ("a@b", _ASN1Type.UTF8String), ("käse", _ASN1Type.UTF8String)],
)
def test_names_are_encoded_as_go_encodes_them(common_name: str, kind: _ASN1Type) -> None:
    subject = Subject(common_name, NOW, NOW + timedelta(days=1), organizations=("b", "a"), usages=(Usage.CLIENT_AUTH,))
    certificate = issue_leaf(subject, generate_key("ECDSA-P256").public_key(), authority())
    assert certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0]._type == kind
    organizations, name = certificate.subject.rdns
    assert sorted(str(attribute.value) for attribute in organizations) == ["a", "b"]
    assert [attribute.value for attribute in name] == [common_name]


def test_a_node_name_may_be_longer_than_64_characters() -> None:
    node = f"{'a' * 60}.{'b' * 60}"
    certificate = leaf("etcd-server", node)
    with pytest.warns(UserWarning, match="length"):  # cryptography's when it reads such a name; issuing gives none
        assert [attribute.value for attribute in certificate.subject] == [node]


def test_serial_numbers_are_positive_and_differ() -> None:
    numbers = {leaf("front-proxy-client").serial_number for _ in range(5)}
    assert len(numbers) == 5
    assert all(0 < number < 2**63 for number in numbers)


def test_every_signer_stands_before_what_it_signs() -> None:
    seen: set[str] = set()
    for entry in TABLE:
        assert entry.is_ca or entry.signer in seen
        seen.add(entry.name)
