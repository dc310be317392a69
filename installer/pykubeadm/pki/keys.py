"""Private keys: the algorithms of the configuration, and the PEM forms that kubeadm writes and reads."""

from __future__ import annotations

import re

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey
PublicKey = rsa.RSAPublicKey | ec.EllipticCurvePublicKey

_RSA_SIZES = {"RSA-2048": 2048, "RSA-3072": 3072, "RSA-4096": 4096}
_CURVES: dict[str, ec.EllipticCurve] = {"ECDSA-P256": ec.SECP256R1(), "ECDSA-P384": ec.SECP384R1()}

# Blocks that hold a key; openssl writes "EC PARAMETERS" before an EC key, which is skipped. Go, in which what reads the
# files is written, knows a block only where its lines begin without blanks.
_PRIVATE_BLOCK = re.compile(rb"^-----BEGIN ((?:RSA |EC )?PRIVATE KEY)-----.*?^-----END \1-----", re.DOTALL | re.MULTILINE)
_PUBLIC_BLOCK = re.compile(rb"^-----BEGIN ((?:RSA )?PUBLIC KEY)-----.*?^-----END \1-----", re.DOTALL | re.MULTILINE)


def generate_key(algorithm: str) -> PrivateKey:
    """A new key; `algorithm` is an encryptionAlgorithm of the configuration, "" its default."""
    if algorithm in _CURVES:
        return ec.generate_private_key(_CURVES[algorithm])
    return rsa.generate_private_key(public_exponent=65537, key_size=_RSA_SIZES[algorithm or "RSA-2048"])


def encode_private_key(key: PrivateKey) -> bytes:
    """PKCS#1 ("RSA PRIVATE KEY") or SEC 1 ("EC PRIVATE KEY"), as client-go's keyutil writes them."""
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
    )


def encode_public_key(key: PublicKey) -> bytes:
    """PKIX ("PUBLIC KEY")."""
    return key.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)


def load_private_key(pem: bytes) -> PrivateKey:
    """The first private key in `pem` (PKCS#1, SEC 1 or PKCS#8); raises ValueError with the end of a sentence."""
    block = _PRIVATE_BLOCK.search(pem)
    if block is None:
        raise ValueError("holds no private key in PEM form")
    try:
        # Checking the primes takes 30 ms a key and protects against keys made by an attacker, not against a broken file.
        key = serialization.load_pem_private_key(block[0], None, unsafe_skip_rsa_key_validation=True)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise ValueError("holds a private key that cannot be read") from error
    if not isinstance(key, PrivateKey):
        raise ValueError("holds a key that is neither RSA nor ECDSA")  # noqa: TRY004 - the text is wrong, not a type
    return key


def load_public_keys(pem: bytes) -> tuple[PublicKey, ...]:
    """All public keys in `pem`, RSA or ECDSA, at least one; raises ValueError with the end of a sentence."""
    keys = []
    for block in _PUBLIC_BLOCK.finditer(pem):
        try:
            key = serialization.load_pem_public_key(block[0])
        except (ValueError, UnsupportedAlgorithm) as error:
            raise ValueError("holds a public key that cannot be read") from error
        if not isinstance(key, PublicKey):
            raise ValueError("holds a key that is neither RSA nor ECDSA")  # noqa: TRY004 - as above
        keys.append(key)
    if not keys:
        raise ValueError("holds no public key in PEM form")
    return tuple(keys)


def public_key_digest_input(key: PublicKey) -> bytes:
    """The bits of SubjectPublicKey, of which a SubjectKeyIdentifier is the digest (RFC 5280, 4.2.1.2)."""
    if isinstance(key, rsa.RSAPublicKey):
        return key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.PKCS1)
    return key.public_bytes(serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint)
