"""Issuing certificates, field for field as kubeadm does (util/pkiutil/pki_helpers.go and Go's crypto/x509)."""

from __future__ import annotations

import hashlib
import secrets
import warnings
from collections.abc import Sequence
from dataclasses import field
from datetime import datetime, timedelta
from typing import Final

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.name import _ASN1Type
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from pykubeadm.config.model import Configuration
from pykubeadm.pki.keys import PrivateKey, PublicKey, public_key_digest_input
from pykubeadm.pki.sans import Names
from pykubeadm.pki.table import CertificateSpec, Usage
from pykubeadm.util.dataclass import dataclass

BACKDATE: Final = timedelta(minutes=5)  # kubeadm: constants.CertificateBackdate, for clocks that differ

_USAGE_OIDS = {Usage.SERVER_AUTH: ExtendedKeyUsageOID.SERVER_AUTH, Usage.CLIENT_AUTH: ExtendedKeyUsageOID.CLIENT_AUTH}
_PRINTABLE: Final = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789 '()+,-./:=?")


@dataclass(frozen=True, slots=True)
class Subject:
    """Whom a certificate is for and for how long; times are aware, fractions of a second are dropped."""

    common_name: str
    not_before: datetime
    not_after: datetime
    organizations: tuple[str, ...] = ()
    usages: tuple[Usage, ...] = ()
    names: Names = field(default_factory=Names)


@dataclass(frozen=True, slots=True)
class Authority:
    """A CA that can sign."""

    certificate: x509.Certificate
    key: PrivateKey


def subject_of(entry: CertificateSpec, configuration: Configuration, now: datetime) -> Subject:
    """What the configuration wants of a row of the table, when issued `now`."""
    cluster = configuration.cluster
    if entry.is_ca:
        validity, names = cluster.ca_certificate_validity_period, Names(dns=(entry.common_name,))
    else:
        validity = cluster.certificate_validity_period
        names = entry.names(configuration) if entry.names else Names()
    return Subject(
        common_name=entry.common_name or configuration.this_node.node_registration.name,
        not_before=now - BACKDATE,
        not_after=now + validity,
        usages=entry.usages,
        names=names,
    )


def issue_ca(subject: Subject, key: PrivateKey) -> x509.Certificate:
    """A self-signed CA."""
    own_name = _name(subject)
    return _sign(subject, key.public_key(), own_name, key, [*_ca_extensions(key.public_key()), *_san_extension(subject.names)])


def issue_leaf(subject: Subject, public_key: PublicKey, authority: Authority) -> x509.Certificate:
    """A certificate for `public_key`, signed by `authority`."""
    ca = authority.certificate
    extensions: list[tuple[x509.ExtensionType, bool]] = [
        (_key_usage(ca=False), True),
        (x509.ExtendedKeyUsage([_USAGE_OIDS[usage] for usage in subject.usages]), False),
        (x509.BasicConstraints(ca=False, path_length=None), True),
        *_authority_key_identifier(ca),
        *_san_extension(subject.names),
    ]
    return _sign(subject, public_key, ca.subject, authority.key, extensions)


def cross_sign(ca: x509.Certificate, authority: Authority) -> x509.Certificate:
    """`ca`'s name and key in a certificate that `authority` signed: who trusts that one alone comes to trust what `ca` signs.
    Valid no longer than either."""
    public_key, signer = ca.public_key(), authority.certificate
    if not isinstance(public_key, PublicKey):
        raise ValueError("holds a key that is neither RSA nor ECDSA")  # noqa: TRY004 - the certificate is wrong, not a type
    subject = Subject(
        common_name="",
        not_before=max(ca.not_valid_before_utc, signer.not_valid_before_utc),
        not_after=min(ca.not_valid_after_utc, signer.not_valid_after_utc),
    )
    extensions = [*_ca_extensions(public_key), *_authority_key_identifier(signer)]
    return _sign(subject, public_key, signer.subject, authority.key, extensions, name=ca.subject)


def make_request(subject: Subject, key: PrivateKey) -> bytes:
    """A certificate signing request (PEM) with the subject's name and alternative names; as kubeadm's, it asks for no usages."""
    builder = x509.CertificateSigningRequestBuilder(subject_name=_name(subject))
    for extension, critical in _san_extension(subject.names):
        builder = builder.add_extension(extension, critical)
    return builder.sign(key, _signature_hash(key)).public_bytes(serialization.Encoding.PEM)


def read_request(pem: bytes) -> x509.CertificateSigningRequest:
    """A request that anybody may have made, with each part that is parsed only when it is looked at; ValueError with the end of a
    sentence."""
    try:
        request = x509.load_pem_x509_csr(pem)
        for part in ("subject", "extensions", "is_signature_valid"):
            getattr(request, part)
    except (ValueError, TypeError, UnsupportedAlgorithm, x509.DuplicateExtension) as error:
        raise ValueError("holds no certificate signing request that can be read") from error
    return request


def load_request(pem: bytes) -> x509.CertificateSigningRequest:
    """A request that is signed with the key it is for; ValueError with the end of a sentence."""
    request = read_request(pem)
    if not request.is_signature_valid:
        raise ValueError("holds a request that is not signed with the key it is for")
    return request


def encode_certificate(certificate: x509.Certificate) -> bytes:
    """PEM."""
    return certificate.public_bytes(serialization.Encoding.PEM)


def _sign(
    subject: Subject,
    public_key: PublicKey,
    issuer: x509.Name,
    signer: PrivateKey,
    extensions: Sequence[tuple[x509.ExtensionType, bool]],
    *,
    name: x509.Name | None = None,
) -> x509.Certificate:
    """For `name` where that is given, else for the subject's names."""
    builder = x509.CertificateBuilder(
        issuer_name=issuer,
        subject_name=_name(subject) if name is None else name,
        public_key=public_key,
        serial_number=secrets.randbelow(2**63 - 2) + 1,  # positive and 63 bits at most, as kubeadm's
        not_valid_before=subject.not_before.replace(microsecond=0),
        not_valid_after=subject.not_after.replace(microsecond=0),
    )
    for extension, critical in extensions:
        builder = builder.add_extension(extension, critical)
    return builder.sign(signer, _signature_hash(signer))


def _signature_hash(signer: PrivateKey) -> hashes.SHA256 | hashes.SHA384 | hashes.SHA512:
    """The digest as strong as the key (Go: x509.signingParamsForKey)."""
    if isinstance(signer, ec.EllipticCurvePrivateKey) and signer.key_size > 256:
        return hashes.SHA384() if signer.key_size <= 384 else hashes.SHA512()
    return hashes.SHA256()


def _name(subject: Subject) -> x509.Name:
    """Organizations before the common name, several in one set (Go: pkix.Name.ToRDNSequence), which has each once."""
    parts = []
    if subject.organizations:
        organizations = [_attribute(NameOID.ORGANIZATION_NAME, text) for text in dict.fromkeys(subject.organizations)]
        parts.append(x509.RelativeDistinguishedName(organizations))
    parts.append(x509.RelativeDistinguishedName([_attribute(NameOID.COMMON_NAME, subject.common_name)]))
    return x509.Name(parts)


def _attribute(oid: x509.ObjectIdentifier, text: str) -> x509.NameAttribute[str]:
    """A PrintableString where the text can be one, as Go writes. Lengths are not checked: node names may have 253 characters."""
    kind = _ASN1Type.PrintableString if _PRINTABLE.issuperset(text) else _ASN1Type.UTF8String
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Attribute's length", UserWarning)
        return x509.NameAttribute(oid, text, _type=kind, _validate=False)


def _ca_extensions(public_key: PublicKey) -> list[tuple[x509.ExtensionType, bool]]:
    # RFC 7093, method 1, which Go uses since 1.25: the first 160 bits of SHA-256.
    identifier = hashlib.sha256(public_key_digest_input(public_key)).digest()[:20]
    return [
        (_key_usage(ca=True), True),
        (x509.BasicConstraints(ca=True, path_length=None), True),
        (x509.SubjectKeyIdentifier(identifier), False),
    ]


def _authority_key_identifier(ca: x509.Certificate) -> list[tuple[x509.ExtensionType, bool]]:
    try:
        identifier = ca.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    except x509.ExtensionNotFound:
        return []
    return [(x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier), False)]


def _san_extension(names: Names) -> list[tuple[x509.ExtensionType, bool]]:
    general: list[x509.GeneralName] = [x509.DNSName(name) for name in names.dns]
    general += [x509.IPAddress(address) for address in names.ips]
    return [(x509.SubjectAlternativeName(general), False)] if general else []


def _key_usage(*, ca: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=True,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=ca,
        crl_sign=False,
        encipher_only=False,
        decipher_only=False,
    )
