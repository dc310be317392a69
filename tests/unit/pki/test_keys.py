from __future__ import annotations

import shutil
import subprocess

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from pykubeadm.pki.issue import encode_certificate
from pykubeadm.pki.keypool import KeyPool
from pykubeadm.pki.keys import (
    PrivateKey,
    encode_private_key,
    encode_public_key,
    generate_key,
    load_private_key,
    load_public_keys,
)
from tests.support.servers import authority


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


def pkcs8(key: PrivateKey | ed25519.Ed25519PrivateKey, password: bytes = b"") -> bytes:
    encryption = BestAvailableEncryption(password) if password else NoEncryption()
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption)


EC_KEY = generate_key("ECDSA-P256")
DAMAGED = b"-----BEGIN RSA PRIVATE KEY-----\nAAAA\n-----END RSA PRIVATE KEY-----\n"
ENCRYPTED = "holds an encrypted private key, which Kubernetes cannot use: `openssl pkey"
LOOKS_LIKE_ONE = "holds no private key in PEM form, only what looks like one: its lines are indented, cut, or damaged"


@pytest.mark.parametrize(
    ("pem", "end"),
    [
        (b"", "holds no private key in PEM form"),
        (encode_private_key(EC_KEY).replace(b"\n", b"\n  "), LOOKS_LIKE_ONE),
        (b"  " + encode_private_key(EC_KEY), LOOKS_LIKE_ONE),
        (encode_private_key(EC_KEY)[:80], LOOKS_LIKE_ONE),
        (encode_private_key(EC_KEY).replace(b"END EC", b"END RSA"), LOOKS_LIKE_ONE),
        (DAMAGED, "holds a private key that cannot be read"),
        (pkcs8(EC_KEY).replace(b"PRIVATE", b"EC PRIVATE"), "holds a private key that cannot be read"),
        (encode_private_key(EC_KEY).replace(b"EC ", b""), "holds a private key that cannot be read"),
        (encode_private_key(EC_KEY).replace(b"EC ", b"RSA "), "holds a private key that cannot be read"),
        (pkcs8(ed25519.Ed25519PrivateKey.generate()), "holds a key that is neither RSA nor ECDSA"),
        (
            encode_private_key(ec.generate_private_key(ec.SECP256K1())),
            "holds a key on the curve secp256k1, which",
        ),
        (pkcs8(EC_KEY, b"secret"), ENCRYPTED),
        (
            EC_KEY.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, BestAvailableEncryption(b"secret")),
            ENCRYPTED,
        ),
    ],
    ids=range(13),  # other keys each time are no names: pytest-xdist compares them
)
def test_what_is_no_usable_key_is_reported(pem: bytes, end: str) -> None:
    with pytest.raises(ValueError) as error:
        load_private_key(pem)
    assert str(error.value).startswith(end)


@pytest.mark.parametrize("curve", [ec.SECP224R1(), ec.SECP256R1(), ec.SECP384R1(), ec.SECP521R1()], ids=lambda curve: curve.name)
def test_keys_on_any_curve_that_go_knows_can_be_used(curve: ec.EllipticCurve) -> None:
    key = ec.generate_private_key(curve)
    assert load_private_key(encode_private_key(key)).public_key() == key.public_key()


def test_the_first_key_that_can_be_read_counts() -> None:
    pem = b"some text\n" + DAMAGED + pkcs8(generate_key("ECDSA-P384"), b"secret") + encode_private_key(EC_KEY)
    assert load_private_key(pem).public_key() == EC_KEY.public_key()


def test_public_keys_may_be_in_certificates_and_private_keys() -> None:
    """client-go: util/keyutil/key.go, ParsePublicKeysPEM, which does not look at labels."""
    certificate = encode_certificate(authority().certificate)
    public = encode_public_key(EC_KEY.public_key()).replace(b"PUBLIC KEY", b"ANYTHING")
    found = load_public_keys(certificate + encode_private_key(EC_KEY) + public)
    assert found == (authority().certificate.public_key(), EC_KEY.public_key(), EC_KEY.public_key())


def test_a_file_without_public_keys_is_reported() -> None:
    rsa_form = generate_key("RSA-2048").public_key().public_bytes(Encoding.PEM, PublicFormat.PKCS1)
    for pem in (b"nothing", encode_public_key(EC_KEY.public_key()).replace(b"\n", b"\n "), rsa_form):  # Go knows no PKCS#1 here
        with pytest.raises(ValueError, match="holds no public key"):
            load_public_keys(pem)
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
