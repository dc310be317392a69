"""Archives that only their readers can open; age itself reads them (its library is the same as that of the command rage)."""

from __future__ import annotations

import base64
import io
import itertools
import sys
import threading
from collections.abc import Iterator

import pytest

from pykubeadm.errors import UsageError
from pykubeadm.etcd.encryption import Decryption, Encryption, EncryptionError, is_encrypted

pyrage = pytest.importorskip("pyrage")

DATA = bytes(range(256)) * 2000
KEY = pyrage.x25519.Identity.generate()
# As age encrypts with a passphrase, but for scrypt's work factor, 1: age's own takes a second for each look.
QUICK = base64.b64decode(
    "YWdlLWVuY3J5cHRpb24ub3JnL3YxCi0+IHNjcnlwdCBhMjgvWmY3Z3lyNm80WUJqVXk4cDRRIDEKT0UvVUhjNmtGaWRwK3VlM1ByTWxrR2RHU0hhalpMekdBaVl6"
    "UUFrZlVQawotLS0gMEI2bWxyV1pGZ3oxSTdjaGlxamllc0d2MkdBYVhRbEFuUXRxL3oxT241SQrsA9JMjYxauZRm+C9/psvvYVl1z23kUX7Unu1eAzBr79Hted1i"
    "uSnDYNgRijj8zXw="
)
FOR_KEY = Encryption((str(KEY.to_public()),))


def chunks(size: int = 10_000) -> Iterator[bytes]:
    return (DATA[start : start + size] for start in range(0, len(DATA), size))


def opened(content: bytes, decryption: Decryption) -> bytes:
    target = io.BytesIO()
    decryption.decrypt(io.BytesIO(content), target)
    return target.getvalue()


@pytest.mark.parametrize("size", [1000, 65536, len(DATA)])
def test_who_has_the_private_key_reads_it(size: int) -> None:
    content = b"".join(FOR_KEY.encrypted(chunks(size)))
    assert is_encrypted(io.BytesIO(content))
    assert DATA[:100] not in content
    assert opened(content, Decryption(f"# created: today\n{KEY}\n")) == DATA
    assert pyrage.decrypt(content, [KEY]) == DATA


def test_who_knows_the_passphrase_reads_it() -> None:
    content = b"".join(Encryption(passphrase="correct horse").encrypted(chunks()))
    assert opened(content, Decryption(passphrase="correct horse")) == DATA


def test_who_knows_another_passphrase_does_not() -> None:
    assert opened(QUICK, Decryption(passphrase="correct horse")) == b"of an API server"
    with pytest.raises(EncryptionError, match="cannot be decrypted"):
        opened(QUICK, Decryption(passphrase="wrong"))


def test_others_do_not() -> None:
    content = b"".join(FOR_KEY.encrypted(chunks()))
    with pytest.raises(EncryptionError, match="cannot be decrypted"):
        opened(content, Decryption(str(pyrage.x25519.Identity.generate())))
    with pytest.raises(EncryptionError, match=r"give --identity FILE or --passphrase-file FILE"):
        opened(content, Decryption())
    with pytest.raises(EncryptionError, match="does not hold private keys of age"):
        opened(content, Decryption("ssh-rsa AAAA"))


@pytest.mark.parametrize("end", [50, 1000, -1, -70000])
def test_one_that_is_cut_off_is_not_taken_for_whole(end: int) -> None:
    content = b"".join(FOR_KEY.encrypted(chunks()))
    with pytest.raises(EncryptionError, match="damaged"):
        opened(content[:end], Decryption(str(KEY)))


def test_what_the_source_raises_is_raised() -> None:
    def failing() -> Iterator[bytes]:
        yield DATA
        raise EncryptionError("etcd broke off")

    with pytest.raises(EncryptionError, match="etcd broke off"):
        b"".join(FOR_KEY.encrypted(failing()))


def test_who_stops_reading_leaves_no_thread_behind() -> None:
    before = threading.enumerate()
    pieces = FOR_KEY.encrypted(itertools.repeat(DATA))  # more than is encrypted ahead
    next(pieces)
    assert len(threading.enumerate()) == len(before) + 1
    pieces.close()
    assert threading.enumerate() == before


def test_a_key_that_is_none_is_refused_before_anything_is_read() -> None:
    with pytest.raises(UsageError, match="age1no is not a public key of age"):
        Encryption(("age1no",)).check()


def test_a_private_key_in_place_of_a_public_one_is_not_repeated() -> None:
    pytest.importorskip("pyrage")
    for key in ("AGE-SECRET-KEY-1QQ", "age-secret-key-1qq"):
        with pytest.raises(UsageError, match=r"^--encrypt-to: that is a private key, .*; give its public key") as error:
            Encryption((key,)).check()
        assert "1QQ" not in str(error.value).upper()


def test_without_the_library_it_is_said_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyrage", None)
    with pytest.raises(UsageError, match=r"pip install 'pykubeadm\[encryption\]'"):
        FOR_KEY.check()


def test_unencrypted_stays_as_it_is() -> None:
    assert b"".join(Encryption().encrypted(chunks())) == DATA
    assert not is_encrypted(io.BytesIO(DATA))
