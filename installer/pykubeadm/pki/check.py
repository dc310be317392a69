"""Judging certificates that are there already. The sentences' subject, the file, is put before them by the caller."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from functools import lru_cache

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.x509.oid import ExtendedKeyUsageOID

from pykubeadm.pki.issue import Subject
from pykubeadm.pki.keys import PrivateKey, foreign_curve
from pykubeadm.pki.pem import certificate_blocks
from pykubeadm.pki.sans import covers
from pykubeadm.pki.table import Usage

_USAGES = {Usage.SERVER_AUTH: ExtendedKeyUsageOID.SERVER_AUTH, Usage.CLIENT_AUTH: ExtendedKeyUsageOID.CLIENT_AUTH}


@lru_cache(maxsize=64)
def load_certificates(pem: bytes) -> tuple[x509.Certificate, ...]:
    """The certificates in `pem`, the first of which counts (intermediates follow); ValueError carries the end of a sentence.
    A run looks at the same few again and again."""
    blocks = certificate_blocks(pem)
    try:
        certificates = tuple(x509.load_der_x509_certificate(block.content) for block in blocks)
        for certificate in certificates:  # these are parsed only when they are looked at, and kept
            certificate.public_key()
            for part in ("subject", "issuer", "extensions"):
                getattr(certificate, part)
    except (ValueError, UnsupportedAlgorithm, x509.DuplicateExtension) as error:
        raise ValueError("holds a certificate that cannot be read") from error
    for certificate in certificates:
        if (curve := foreign_curve(certificate.public_key())) is not None:
            raise ValueError(f"holds a certificate for a key on the curve {curve}, which Kubernetes cannot use")
    return certificates


def period_problem(certificate: x509.Certificate, now: datetime) -> str | None:
    """Why it is not valid at `now`."""
    if now < certificate.not_valid_before_utc:
        return f"is not valid before {certificate.not_valid_before_utc:%Y-%m-%d %H:%M:%S} UTC"
    if now > certificate.not_valid_after_utc:
        return f"expired on {certificate.not_valid_after_utc:%Y-%m-%d %H:%M:%S} UTC"
    return None


def ca_problem(certificate: x509.Certificate) -> str | None:
    """Why nobody accepts what it signs (Go: x509.Certificate.CheckSignatureFrom)."""
    found = {type(extension.value): extension.value for extension in certificate.extensions}
    constraints, usage = found.get(x509.BasicConstraints), found.get(x509.KeyUsage)
    if not (isinstance(constraints, x509.BasicConstraints) and constraints.ca):
        return "its basic constraints do not say CA"
    if isinstance(usage, x509.KeyUsage) and not usage.key_cert_sign:
        return "its key usage does not allow it to sign certificates"
    return None


def is_for_key(certificate: x509.Certificate, key: PrivateKey) -> bool:
    """Whether `key` is the private half of its public key."""
    return certificate.public_key() == key.public_key()


def is_signed_by(certificate: x509.Certificate, intermediates: Sequence[x509.Certificate], ca: x509.Certificate) -> bool:
    """Whether a chain leads from `certificate` over any of `intermediates` to `ca`; validity periods are not looked at."""
    if certificate == ca or _issued(certificate, ca):
        return True
    for position, issuer in enumerate(intermediates):
        if ca_problem(issuer) is None and _issued(certificate, issuer):
            rest = [*intermediates[:position], *intermediates[position + 1 :]]
            if is_signed_by(issuer, rest, ca):
                return True
    return False


def leaf_problems(certificate: x509.Certificate, wanted: Subject) -> Iterator[str]:
    """What is missing in `certificate`: usages and names. More than was asked for is no problem."""
    have = _extended_usages(certificate)
    for usage in wanted.usages:
        if have is not None and _USAGES[usage] not in have:
            yield f"does not have the extended key usage {usage}"
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        names = x509.SubjectAlternativeName([])
    dns, ips = names.get_values_for_type(x509.DNSName), set(names.get_values_for_type(x509.IPAddress))
    missing = [name for name in wanted.names.dns if not covers(dns, name)]
    missing += [str(address) for address in wanted.names.ips if address not in ips]
    if missing:
        yield f"does not name {', '.join(missing)} among its subject alternative names"


@lru_cache(maxsize=256)
def _issued(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def _extended_usages(certificate: x509.Certificate) -> frozenset[x509.ObjectIdentifier] | None:
    """None where any usage is allowed."""
    try:
        usages = frozenset(certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value)
    except x509.ExtensionNotFound:
        return None
    return None if ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE in usages else usages
