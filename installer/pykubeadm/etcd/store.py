"""Where archives of snapshots are kept."""

from __future__ import annotations

from collections.abc import Iterable
from typing import BinaryIO, Protocol

from pykubeadm.errors import NodeError
from pykubeadm.etcd.archive import left_over, names_of
from pykubeadm.etcd.snapshot import free_space
from pykubeadm.node.opened import open_file
from pykubeadm.node.port import Directory, Node
from pykubeadm.util.dataclass import dataclass

_MARGIN = 1.1  # the database may grow while it is read


@dataclass(frozen=True, slots=True)
class Kept:
    """An archive in a store; `size` in bytes."""

    name: str
    size: int


class Store(Protocol):
    """Every method may raise NodeError with what failed and where."""

    def require_space(self, size: int) -> None:
        """NodeError where `size` bytes would not fit."""

    def save(self, name: str, chunks: Iterable[bytes]) -> int:
        """Keep an archive; the number of its bytes. Nothing is left under its name where `chunks` raise."""

    def kept(self) -> list[Kept]:
        """The archives, by their names, the newest first; other files are nobody's business."""

    def open(self, name: str) -> BinaryIO | None:
        """An archive, to be read from any place; None where there is none of that name."""

    def remove(self, name: str) -> None: ...

    def place(self, name: str) -> str:
        """Where an archive is, for people and for --store."""


@dataclass(frozen=True, slots=True)
class DirectoryStore:
    """A directory of a node, readable by root alone."""

    node: Node
    directory: str

    def require_space(self, size: int) -> None:
        self._make()
        free = free_space(self.node, self.directory)
        if free is not None and free < size * _MARGIN:
            raise NodeError(
                f"a snapshot of etcd takes {size / 2**20:.0f} MiB, and only {free / 2**20:.0f} MiB are free in {self.directory}: "
                "free some space or give another --store"
            )

    def save(self, name: str, chunks: Iterable[bytes]) -> int:
        """Where earlier ones of the same node were killed, what they left is removed."""
        self._make()
        self.node.remove([self.place(part) for part in left_over(self.node.list_dir(self.directory), name)])
        return self.node.save(self.place(name), chunks, 0o600)

    def kept(self) -> list[Kept]:
        return [Kept(name, self._size(name)) for name in names_of(self.node.list_dir(self.directory))]

    def open(self, name: str) -> BinaryIO | None:
        return open_file(self.node, self.place(name))

    def remove(self, name: str) -> None:
        self.node.remove([self.place(name)])

    def place(self, name: str) -> str:
        return f"{self.directory.rstrip('/')}/{name}"

    def _make(self) -> None:
        if self.node.stat(self.directory) is None:  # one that is there keeps its mode
            self.node.write([Directory(self.directory, 0o700)])

    def _size(self, name: str) -> int:
        stat = self.node.stat(self.place(name))
        return stat.size if stat else 0
