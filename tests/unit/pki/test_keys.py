from __future__ import annotations

import shutil
import subprocess

import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from pykubeadm.pki.keypool import KeyPool
from pykubeadm.pki.keys import encode_private_key, encode_public_key, generate_key, load_private_key, load_public_keys


@pytest.mark.parametrize(
    ("algorithm", "label", "size"),
    [
        ("RSA-2048", b"RSA PRIVATE KEY", 2048),
        ("", b"RSA PRIVATE KEY", 2048),
        ("RSA-3072", b"RSA PRIVATE KEY", 3072),
        ("ECDSA-P256", b"EC PRIVATE KEY", 256),
        ("ECDSA-P384", b"EC PRIVATE KEY", 384),
    ],
)
def test_keys_are_written_in_kubeadms_form_and_read_again(algorithm: str, label: bytes, size: int) -> None:
    key = generate_key(algorithm)
    pem = encode_private_key(key)
    assert key.key_size == size
    assert pem.startswith(b"-----BEGIN " + label + b"-----\n")
    assert load_private_key(pem).public_key() == key.public_key()
    public = encode_public_key(key.public_key())
    assert public.startswith(b"-----BEGIN PUBLIC KEY-----\n")
    assert load_public_keys(public + public) == (key.public_key(), key.public_key())


def test_pkcs8_and_openssls_parameter_block_are_read() -> None:
    key = generate_key("ECDSA-P256")
    pkcs8 = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    assert load_private_key(pkcs8).public_key() == key.public_key()
    parameters = b"-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n"
    assert load_private_key(parameters + encode_private_key(key)).public_key() == key.public_key()


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed")
@pytest.mark.parametrize("algorithm", ["RSA-2048", "ECDSA-P384"])
def test_openssl_finds_the_keys_sound(algorithm: str) -> None:
    pem = encode_private_key(generate_key(algorithm))
    done = subprocess.run(["openssl", "pkey", "-check", "-noout"], input=pem, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("pem", "end"),
    [
        (b"", "holds no private key in PEM form"),
        (encode_private_key(generate_key("ECDSA-P256")).replace(b"\n", b"\n  "), "holds no private key in PEM form"),
        (b"-----BEGIN RSA PRIVATE KEY-----\nAAAA\n-----END RSA PRIVATE KEY-----\n", "holds a private key that cannot be read"),
        (
            ed25519.Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()),
            "holds a key that is neither RSA nor ECDSA",
        ),
    ],
    ids=["empty", "indented", "damaged", "ed25519"],  # other keys each time are no names: pytest-xdist compares them
)
def test_what_is_no_usable_key_is_reported(pem: bytes, end: str) -> None:
    with pytest.raises(ValueError, match=end):
        load_private_key(pem)


def test_a_file_without_public_keys_is_reported() -> None:
    with pytest.raises(ValueError, match="holds no public key"):
        load_public_keys(b"nothing")
    other = ed25519.Ed25519PrivateKey.generate().public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    with pytest.raises(ValueError, match="neither RSA nor ECDSA"):
        load_public_keys(other)


def test_the_pool_gives_every_key_once_and_makes_more_when_asked() -> None:
    pool = KeyPool("ECDSA-P256", workers=2)
    pool.order(5)
    pool.order(1)
    keys = [encode_public_key(pool.take().public_key()) for _ in range(8)]
    assert len(set(keys)) == 8


def test_the_pool_hands_over_what_went_wrong() -> None:
    pool = KeyPool("ROT13", workers=1)
    pool.order(1)
    with pytest.raises(KeyError):
        pool.take()


def test_rsa_keys_have_the_usual_exponent() -> None:
    key = generate_key("RSA-2048")
    assert isinstance(key, rsa.RSAPrivateKey)
    assert key.public_key().public_numbers().e == 65537
