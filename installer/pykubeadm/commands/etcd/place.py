"""What the options of the commands for snapshots name: a store, keys, an archive."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import field
from typing import TYPE_CHECKING, Any, BinaryIO

from pykubeadm.constants import SNAPSHOTS_DIR, STATE_DIR
from pykubeadm.errors import UsageError
from pykubeadm.etcd.encryption import Decryption, Encryption, is_encrypted
from pykubeadm.etcd.store import DirectoryStore, Store
from pykubeadm.node.opened import open_file
from pykubeadm.transport.proxies import without_password
from pykubeadm.util.dataclass import dataclass

if TYPE_CHECKING:
    from pykubeadm.node.port import Node


def store_of(node: Node, named: str | None) -> Store:
    """The store at a directory, or in a bucket by its URL. UsageError for what is neither."""
    if named is not None and not named.strip():  # such as a variable that is not set: the backup would stay on this machine
        raise UsageError(f"--store: is empty; give a directory or s3://BUCKET/PREFIX, or leave it out for {SNAPSHOTS_DIR}")
    if named and named.startswith("s3:"):
        from pykubeadm.etcd.s3 import S3Store

        return S3Store(named, _private_directory())
    if named and "://" in named:
        raise UsageError(
            f"--store: {without_password(named)} is neither a directory nor a place in a bucket (s3://BUCKET/PREFIX)"
        )
    return DirectoryStore(node, os.path.abspath(named) if named else SNAPSHOTS_DIR)


def encryption_of(options: Mapping[str, Any], node: Node) -> Encryption:
    """For whom archives are encrypted. UsageError where that cannot be."""
    found = Encryption(tuple(options.get("encrypt_to") or ()), _passphrase(options, node))
    if found.recipients and found.passphrase:
        raise UsageError(
            "--encrypt-to and --passphrase-file exclude each other: an archive is for those who have one or the other"
        )
    found.check()
    return found


def decryption_of(options: Mapping[str, Any], node: Node) -> Decryption:
    """With what archives are opened; UsageError where a file that the user names cannot be read."""
    return Decryption(_text(options.get("identity"), "--identity", node), _passphrase(options, node))


def _passphrase(options: Mapping[str, Any], node: Node) -> str:
    """The first line of a file; "" where none is given. UsageError where that line is empty: archives would not be encrypted."""
    path = options.get("passphrase_file")
    line = next(iter(_text(path, "--passphrase-file", node).splitlines()), "")
    if path is not None and not line.strip():
        raise UsageError(f"--passphrase-file: the first line of {path} is empty, and that line is the passphrase")
    return line


def _text(path: str | None, flag: str, node: Node) -> str:
    if path is None:
        return ""
    if not path.strip():
        raise UsageError(f"{flag}: is empty; give the path of a file")
    content = node.read(os.path.abspath(path))
    if content is None and not path.startswith(("/", ".")):
        raise UsageError(f"{flag}: there is no such file; what was given is not repeated, as it may be the secret itself")
    if content is None:
        raise UsageError(f"{flag}: {path} does not exist")
    try:
        return content.decode("utf-8-sig")  # editors of Windows begin a file with a byte order mark
    except UnicodeDecodeError:
        raise UsageError(f"{flag}: {path} is not text") from None


@dataclass(frozen=True, slots=True)
class Given:
    """An archive or a snapshot that the user names: by its name in the store, by its path, or by its URL."""

    node: Node
    store: Store
    name: str
    decryption: Decryption = field(default_factory=Decryption)

    @contextmanager
    def opened(self) -> Iterator[BinaryIO]:
        """Its content, decrypted where need be. UsageError where there is none, EncryptionError where it does not open."""
        store, name = self.store, self.name
        if not name.strip():  # such as a variable that is not set
            raise UsageError("the name of the snapshot is empty; give that of an archive in the store, a path or a URL")
        if "://" in name:
            place, _, name = name.rpartition("/")
            store = store_of(self.node, place)
        file = store.open(name) if "/" not in name else None
        if file is None and store is self.store:
            file = open_file(self.node, os.path.abspath(name))
        if file is None:
            raise UsageError(f"there is no snapshot {self.name}, neither at that path nor in {store.place('')}")
        with file:
            if not is_encrypted(file):
                yield file
                return
            with tempfile.TemporaryFile(dir=_private_directory()) as plain:  # without a name, so that nobody else opens it
                self.decryption.decrypt(file, plain)
                yield plain


def _private_directory() -> str | None:
    """On a disk: what is decrypted may not fit into memory. (/tmp is in memory on many systems.)"""
    return next((path for path in (STATE_DIR, "/var/tmp") if os.access(path, os.W_OK)), None)  # noqa: S108  the file has no name
