"""CAs as users bring them, with extensions that ours do not have."""

from __future__ import annotations

from datetime import timedelta

from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256

from pykubeadm.pki.issue import Authority, encode_certificate
from pykubeadm.pki.keys import encode_private_key, generate_key
from tests.support.init_runs import NOW
from tests.support.node import FakeNode


def authority_with(*extensions: tuple[x509.ExtensionType, bool]) -> Authority:
    """Self-signed, with these beside its basic constraints; each says whether it is critical."""
    key = generate_key("ECDSA-P256")
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "ours")])
    builder = x509.CertificateBuilder(name, name, key.public_key(), 7, NOW - timedelta(days=1), NOW + timedelta(days=4000))
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    for extension, critical in extensions:
        builder = builder.add_extension(extension, critical)
    return Authority(builder.sign(key, SHA256()), key)


def put_authority(node: FakeNode, name: str, *extensions: tuple[x509.ExtensionType, bool]) -> Authority:
    """Have such a CA on the node, as `name` below its pki folder."""
    found = authority_with(*extensions)
    node.put(f"/etc/kubernetes/pki/{name}.crt", encode_certificate(found.certificate))
    node.put(f"/etc/kubernetes/pki/{name}.key", encode_private_key(found.key))
    return found
