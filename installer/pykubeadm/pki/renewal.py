"""What a certificate that is there says of the one that takes its place. Pure: certificates in, subjects out."""

from __future__ import annotations

from datetime import datetime, timedelta
from ipaddress import IPv4Address, IPv6Address
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from pykubeadm.pki.issue import BACKDATE, Subject
from pykubeadm.pki.sans import Names
from pykubeadm.pki.table import Usage

DEFAULT_PERIOD: Final = timedelta(hours=8760)  # kubeadm: constants.CertificateValidityPeriod

_USAGES = {ExtendedKeyUsageOID.SERVER_AUTH: Usage.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH: Usage.CLIENT_AUTH}


def names_of_certificate(certificate: x509.Certificate) -> Names:
    """Its DNS names and IP addresses, in their order."""
    try:
        found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return Names()
    addresses = (
        address for address in found.get_values_for_type(x509.IPAddress) if isinstance(address, IPv4Address | IPv6Address)
    )
    return Names(tuple(found.get_values_for_type(x509.DNSName)), tuple(addresses))


def missing_names(certificate: x509.Certificate, wanted: Names) -> Names:
    """Those of `wanted` that it does not have."""
    have = names_of_certificate(certificate)
    return Names(
        tuple(name for name in wanted.dns if name not in have.dns),
        tuple(address for address in wanted.ips if address not in have.ips),
    )


def renewed_subject(certificate: x509.Certificate, added: Names, *, now: datetime, not_after: datetime) -> Subject:
    """For whom it is and what for, with the names `added`; from `now` on, with kubeadm's tolerance for clocks."""
    have = names_of_certificate(certificate)
    common_names = _texts(certificate, NameOID.COMMON_NAME)
    return Subject(
        common_name=common_names[0] if common_names else "",
        organizations=_texts(certificate, NameOID.ORGANIZATION_NAME),
        usages=_usages_of(certificate),
        names=Names(tuple(sorted({*have.dns, *added.dns})), (*have.ips, *added.ips)),
        not_before=now - BACKDATE,
        not_after=not_after,
    )


def period_of(certificate: x509.Certificate, ca: x509.Certificate) -> timedelta:
    """For how long it was issued. Certificates in kubeconfigs begin with their CA's, however much later they were issued: theirs
    is the default where it could be longer only for that."""
    period = certificate.not_valid_after_utc - certificate.not_valid_before_utc - BACKDATE
    backdated = certificate.not_valid_before_utc == ca.not_valid_before_utc
    return min(period, DEFAULT_PERIOD) if backdated else period


def algorithm_of(certificate: x509.Certificate) -> str:
    """The configuration's name for the kind of its key; the default's where the configuration has none for it."""
    key = certificate.public_key()
    if isinstance(key, ec.EllipticCurvePublicKey):
        return "ECDSA-P384" if key.key_size > 256 else "ECDSA-P256"
    size = key.key_size if isinstance(key, rsa.RSAPublicKey) else 2048
    return next((f"RSA-{known}" for known in (4096, 3072) if size >= known), "RSA-2048")


def _usages_of(certificate: x509.Certificate) -> tuple[Usage, ...]:
    try:
        found = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except x509.ExtensionNotFound:
        return ()
    return tuple(_USAGES[usage] for usage in found if usage in _USAGES)


def _texts(certificate: x509.Certificate, oid: x509.ObjectIdentifier) -> tuple[str, ...]:
    return tuple(str(attribute.value) for attribute in certificate.subject.get_attributes_for_oid(oid))
