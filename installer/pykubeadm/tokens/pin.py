"""Pins of a CA's public key, "sha256:<hex>" (kubeadm: --discovery-token-ca-cert-hash, RFC 7469's SPKI fingerprint in hex)."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

if TYPE_CHECKING:
    from cryptography import x509


def pin_of(certificate: x509.Certificate) -> str:
    """The pin of the certificate's public key."""
    info = certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return f"sha256:{hashlib.sha256(info).hexdigest()}"


def matches_pin(certificate: x509.Certificate, pins: Iterable[str]) -> bool:
    """Whether one of `pins` (any case) is that of `certificate`."""
    return pin_of(certificate) in {pin.lower() for pin in pins}
