"""Certificate signing requests that the API server accepts, and that cannot be parsed when a part of them is looked at."""

from __future__ import annotations

import base64

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from pykubeadm.pki.keys import generate_key

ODD = ("a group twice", "an extension twice", "a damaged extension")
_EXTENSIONS = {"an extension twice": ("2.5.29.98", "2.5.29.99"), "a damaged extension": ("2.5.29.19",)}


def odd_request(what: str, common_name: str) -> str:
    """One of ODD, in PEM and base64 as an object has it. Names and extensions are the same after some bytes are changed, as
    cryptography would not write them so."""
    groups = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, text) for text in ("system:nodes", "system:nodez")]
    parts = [groups if what == "a group twice" else groups[:1], [x509.NameAttribute(NameOID.COMMON_NAME, common_name)]]
    builder = x509.CertificateSigningRequestBuilder(x509.Name(map(x509.RelativeDistinguishedName, parts)))
    for oid in _EXTENSIONS.get(what, ()):
        builder = builder.add_extension(x509.UnrecognizedExtension(x509.ObjectIdentifier(oid), b"\x30"), critical=False)
    der = builder.sign(generate_key("ECDSA-P256"), hashes.SHA256()).public_bytes(Encoding.DER)
    der = der.replace(b"nodez", b"nodes").replace(b"\x55\x1d\x63", b"\x55\x1d\x62")
    pem = b"-----BEGIN CERTIFICATE REQUEST-----\n" + base64.encodebytes(der) + b"-----END CERTIFICATE REQUEST-----\n"
    return base64.b64encode(pem).decode()
