"""Judging certificates that are there already. The sentences' subject, the file, is put before them by the caller."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import Any, Final, TypeVar

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.x509.oid import ExtendedKeyUsageOID, ExtensionOID

from pykubeadm.pki.issue import Subject
from pykubeadm.pki.keys import PrivateKey, foreign_curve
from pykubeadm.pki.pem import certificate_blocks
from pykubeadm.pki.sans import Names, covers
from pykubeadm.pki.table import Usage

T = TypeVar("T")
_USAGES = {Usage.SERVER_AUTH: ExtendedKeyUsageOID.SERVER_AUTH, Usage.CLIENT_AUTH: ExtendedKeyUsageOID.CLIENT_AUTH}
# What Go knows of critical extensions, and of the kinds of names in constraints (crypto/x509/parser.go, processExtensions).
_KNOWN: Final = frozenset(f"2.5.29.{number}" for number in (14, 15, 17, 19, 30, 31, 32, 33, 35, 36, 37, 54))
_KNOWN_NAMES: Final = (x509.DNSName, x509.IPAddress, x509.RFC822Name, x509.UniformResourceIdentifier)


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
    """Why nobody accepts what it signs, whatever that is (Go: x509.Certificate.CheckSignatureFrom and isValid)."""
    found = {type(extension.value): extension.value for extension in certificate.extensions}
    constraints, usage = found.get(x509.BasicConstraints), found.get(x509.KeyUsage)
    if not (isinstance(constraints, x509.BasicConstraints) and constraints.ca):
        return "its basic constraints do not say CA"
    if isinstance(usage, x509.KeyUsage) and not usage.key_cert_sign:
        return "its key usage does not allow it to sign certificates"
    if unknown := [each.oid.dotted_string for each in certificate.extensions if each.critical and not _is_known(each)]:
        return f"it has a critical extension that Kubernetes' programs do not know ({', '.join(unknown)})"
    return None


def _is_known(extension: x509.Extension[x509.ExtensionType]) -> bool:
    value, names = extension.value, list[x509.GeneralName]()
    if isinstance(value, x509.NameConstraints):
        names = [*(value.permitted_subtrees or ()), *(value.excluded_subtrees or ())]
    known = extension.oid.dotted_string in _KNOWN or extension.oid == ExtensionOID.AUTHORITY_INFORMATION_ACCESS
    return known and all(isinstance(name, _KNOWN_NAMES) for name in names)


def not_allowed(ca: x509.Certificate, usages: Sequence[Usage], names: Names) -> Iterator[str]:
    """Those that `ca` itself may not be used for: nobody accepts a certificate with one of them that it signs all the same (Go:
    x509.Certificate.checkNameConstraints, checkChainForKeyUsage)."""
    have = _extended_usages(ca)
    yield from (f"the extended key usage {usage}" for usage in usages if have is not None and _USAGES[usage] not in have)
    try:
        constraints = ca.extensions.get_extension_for_class(x509.NameConstraints).value
    except x509.ExtensionNotFound:
        return
    yield from (name for name in names.dns if not _permits(constraints, x509.DNSName, name, _is_below))
    yield from (str(address) for address in names.ips if not _permits(constraints, x509.IPAddress, address, _is_in))


def _permits(
    constraints: x509.NameConstraints, kind: type[x509.GeneralName], value: T, falls_under: Callable[[T, Any], bool]
) -> bool:
    """Kinds of names that no constraint is of are free."""
    permitted = [each.value for each in constraints.permitted_subtrees or () if isinstance(each, kind)]
    excluded = [each.value for each in constraints.excluded_subtrees or () if isinstance(each, kind)]
    allowed = not permitted or any(falls_under(value, each) for each in permitted)
    return allowed and not any(falls_under(value, each) for each in excluded)


def _is_below(name: str, domain: str) -> bool:
    """A domain stands for itself and what is below it, with a dot before it for the latter alone; an empty one for all."""
    name, domain = name.lower(), domain.lower()
    return not domain or name == domain or name.endswith(f".{domain.removeprefix('.')}")


def _is_in(address: IPv4Address | IPv6Address, network: IPv4Network | IPv6Network) -> bool:
    return address in network


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
