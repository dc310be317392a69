"""CAs as users bring them, with extensions that ours do not have."""

from __future__ import annotations

from datetime import timedelta

from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256

from pykubeadm.pki.issue import Authority
from pykubeadm.pki.keys import generate_key
from tests.support.init_runs import NOW


def authority_with(*extensions: tuple[x509.ExtensionType, bool]) -> Authority:
    """Self-signed, with these beside its basic constraints; each says whether it is critical."""
    key = generate_key("ECDSA-P256")
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "ours")])
    builder = x509.CertificateBuilder(name, name, key.public_key(), 7, NOW - timedelta(days=1), NOW + timedelta(days=4000))
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    for extension, critical in extensions:
        builder = builder.add_extension(extension, critical)
    return Authority(builder.sign(key, SHA256()), key)
