"""Archives encrypted for age's public keys or with a passphrase (https://age-encryption.org/v1), as `age --decrypt` reads them.

The library is pyrage, an optional extra: it is imported where an archive is encrypted.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import field
from types import ModuleType
from typing import BinaryIO, Final

from pykubeadm.errors import UsageError
from pykubeadm.etcd.client import EtcdError
from pykubeadm.util.dataclass import dataclass

SUFFIX: Final = ".age"
_HEADER: Final = b"age-encryption.org/v1\n"
_LARGEST_IN_MEMORY: Final = 1 << 30  # bytes: age's library takes a passphrase only for what is in memory as a whole
_AHEAD: Final = 16  # pieces that are encrypted and not written yet


class EncryptionError(EtcdError):
    """An archive that cannot be encrypted or decrypted with what was given."""


@dataclass(frozen=True, slots=True)
class Encryption:
    """For whom archives are encrypted: public keys ("age1…"), or whoever knows `passphrase`. Neither: they are not."""

    recipients: tuple[str, ...] = ()
    passphrase: str = field(default="", repr=False)

    def __bool__(self) -> bool:
        return bool(self.recipients or self.passphrase)

    def check(self) -> None:
        """UsageError where a key is none, or where the library is missing."""
        if self:
            _parsed_recipients(self.recipients)

    def encrypted(self, chunks: Iterable[bytes]) -> Iterator[bytes]:
        """The same bytes, encrypted where that is wanted."""
        if self.passphrase:
            yield _pyrage().passphrase.encrypt(_whole(chunks), self.passphrase)
        elif self.recipients:
            yield from _streamed(chunks, _parsed_recipients(self.recipients))
        else:
            yield from chunks


@dataclass(frozen=True, slots=True)
class Decryption:
    """With what archives are decrypted: the content of an identity file of age, or a passphrase."""

    identities: str = field(default="", repr=False)
    passphrase: str = field(default="", repr=False)

    def decrypt(self, source: BinaryIO, target: BinaryIO) -> None:
        """EncryptionError where that does not open it."""
        pyrage = _pyrage()
        try:
            if self.passphrase:
                target.write(pyrage.passphrase.decrypt(source.read(), self.passphrase))
            elif self.identities:
                pyrage.decrypt_io(source, target, _parsed_identities(pyrage, self.identities))
            else:
                raise EncryptionError("the archive is encrypted: give --identity FILE or --passphrase-file FILE")
        except (pyrage.DecryptError, OSError, ValueError) as error:
            raise EncryptionError(f"the archive cannot be decrypted with what was given, or is damaged: {error}") from error


def is_encrypted(file: BinaryIO) -> bool:
    """Whether the file is age's; it is read again from its beginning afterwards."""
    file.seek(0)
    found = file.read(len(_HEADER)) == _HEADER
    file.seek(0)
    return found


def _pyrage() -> ModuleType:
    try:
        import pyrage
    except ImportError as error:
        raise UsageError("encryption needs the library pyrage: pip install 'pykubeadm[encryption]'") from error
    found: ModuleType = pyrage
    return found


def _parsed_recipients(keys: Sequence[str]) -> list[object]:
    pyrage = _pyrage()
    found: list[object] = []
    for key in keys:
        try:
            found.append(pyrage.x25519.Recipient.from_str(key))
        except pyrage.RecipientError as error:
            if key.upper().startswith("AGE-SECRET-KEY"):
                raise UsageError(
                    "--encrypt-to: that is a private key, which belongs into a file for --identity; give its public key "
                    "(age1…), which `age-keygen -y FILE` prints"
                ) from error
            raise UsageError(f"--encrypt-to: {key} is not a public key of age (age1…): {error}") from error
    return found


def _parsed_identities(pyrage: ModuleType, text: str) -> list[object]:
    lines = [line.strip() for line in text.splitlines()]
    keys = [line for line in lines if line and not line.startswith("#")]
    try:
        return [pyrage.x25519.Identity.from_str(key) for key in keys]
    except pyrage.IdentityError as error:
        raise EncryptionError(f"the identity file does not hold private keys of age (AGE-SECRET-KEY-1…): {error}") from error


def _whole(chunks: Iterable[bytes]) -> bytes:
    pieces, size = [], 0
    for chunk in chunks:
        size += len(chunk)
        if size > _LARGEST_IN_MEMORY:
            raise EncryptionError(
                f"the archive has more than {_LARGEST_IN_MEMORY / 2**30:.0f} GiB, which is too much for a passphrase: encrypt it "
                "for a public key (--encrypt-to)"
            )
        pieces.append(chunk)
    return b"".join(pieces)


class _AbandonedError(Exception):
    """Nobody takes what is encrypted any more."""


class _Source:
    """What the library reads from: the chunks, in pieces as it wants them. Keeps what they raise, which the library hides."""

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self._chunks = iter(chunks)
        self._rest = b""
        self.failure: BaseException | None = None

    def read(self, size: int = -1) -> bytes:
        while not self._rest:
            try:
                self._rest = next(self._chunks)
            except StopIteration:
                return b""
            except BaseException as error:
                self.failure = error
                raise
        piece, self._rest = (self._rest, b"") if size < 0 else (self._rest[:size], self._rest[size:])
        return piece


class _Sink:
    """What the library writes to: a queue of pieces."""

    def __init__(self) -> None:
        self.pieces: queue.Queue[bytes | None] = queue.Queue(_AHEAD)
        self.abandoned = threading.Event()

    def write(self, data: bytes) -> int:
        while True:
            if self.abandoned.is_set():
                raise _AbandonedError
            try:
                self.pieces.put(bytes(data), timeout=1)
            except queue.Full:
                continue
            return len(data)

    def flush(self) -> None:
        """Nothing is held back."""


def _streamed(chunks: Iterable[bytes], recipients: list[object]) -> Iterator[bytes]:
    """The library pulls and pushes, so it works in a thread of its own."""
    pyrage = _pyrage()
    source, sink = _Source(chunks), _Sink()
    failures: list[BaseException] = []

    def work() -> None:
        try:
            pyrage.encrypt_io(source, sink, recipients)
        except BaseException as error:  # noqa: BLE001  raised where the pieces are taken
            failures.append(error)
        finally:
            while not sink.abandoned.is_set():
                try:
                    sink.pieces.put(None, timeout=1)
                    break
                except queue.Full:
                    continue

    thread = threading.Thread(target=work)
    thread.start()
    try:
        while (piece := sink.pieces.get()) is not None:
            yield piece
    finally:
        sink.abandoned.set()
        thread.join()
    if source.failure is not None:
        raise source.failure
    if failures:
        raise EncryptionError(f"the archive could not be encrypted: {failures[0]}")
