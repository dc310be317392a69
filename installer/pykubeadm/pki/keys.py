"""Private keys: the algorithms of the configuration, and the PEM forms that kubeadm writes and reads."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from pykubeadm.pki.pem import Block, pem_blocks, private_key_blocks

PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey
PublicKey = rsa.RSAPublicKey | ec.EllipticCurvePublicKey

_RSA_SIZES = {"RSA-2048": 2048, "RSA-3072": 3072, "RSA-4096": 4096}
_CURVES: dict[str, ec.EllipticCurve] = {"ECDSA-P256": ec.SECP256R1(), "ECDSA-P384": ec.SECP384R1()}
_CURVES_OF_GO = {"secp224r1", "secp256r1", "secp384r1", "secp521r1"}  # crypto/elliptic


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
    """The first private key in `pem` that can be read (PKCS#1, SEC 1 or PKCS#8, as its label says); raises ValueError with the
    end of a sentence, EncryptedKeyError where a password would be needed."""
    for block in private_key_blocks(pem):
        try:
            # Checking the primes takes 30 ms a key and protects against keys made by an attacker, not against a broken file.
            key = serialization.load_pem_private_key(block.encoded(), None, unsafe_skip_rsa_key_validation=True)
        except (ValueError, TypeError, UnsupportedAlgorithm):
            continue
        if not isinstance(key, PrivateKey):
            raise ValueError("holds a key that is neither RSA nor ECDSA")  # noqa: TRY004 - the text is wrong, not a type
        if (curve := foreign_curve(key)) is not None:
            raise ValueError(f"holds a key on the curve {curve}, which Kubernetes cannot use")
        return key
    raise ValueError("holds a private key that cannot be read")


def foreign_curve(key: object) -> str | None:
    """The name of a key's curve that Go does not know."""
    curve = key.curve.name if isinstance(key, ec.EllipticCurvePrivateKey | ec.EllipticCurvePublicKey) else None
    return None if curve in _CURVES_OF_GO else curve


def load_public_keys(pem: bytes) -> tuple[PublicKey, ...]:
    """All public keys in `pem`, RSA or ECDSA, at least one; those of certificates and of private keys, too, as client-go has it
    (util/keyutil/key.go). Raises ValueError with the end of a sentence."""
    found = [key for block in pem_blocks(pem) if (key := _public_key(block)) is not None]
    if not found:
        raise ValueError("holds no public key in PEM form")
    keys = tuple(key for key in found if isinstance(key, PublicKey))
    if not keys:
        raise ValueError("holds a key that is neither RSA nor ECDSA")
    return keys


def _public_key(block: Block) -> object:
    """None where the block holds something else. Its label says nothing."""
    readers: tuple[Callable[[], object], ...] = (
        lambda: serialization.load_pem_public_key(Block("PUBLIC KEY", block.content).encoded()),  # so that it is PKIX
        lambda: x509.load_der_x509_certificate(block.content).public_key(),
        lambda: load_private_key(block.encoded()).public_key(),
    )
    for read in readers:
        with suppress(ValueError, TypeError, UnsupportedAlgorithm):
            return read()
    return None


def public_key_digest_input(key: PublicKey) -> bytes:
    """The bits of SubjectPublicKey, of which a SubjectKeyIdentifier is the digest (RFC 5280, 4.2.1.2)."""
    if isinstance(key, rsa.RSAPublicKey):
        return key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.PKCS1)
    return key.public_bytes(serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint)
