"""A file of a node to be read from any place, for one that need not fit into memory."""

from __future__ import annotations

import io
import os
from typing import TYPE_CHECKING, BinaryIO, cast

if TYPE_CHECKING:
    from pykubeadm.node.port import Node

_AHEAD = 1 << 20  # bytes that are read at a time: each is a message to a node that is reached over a network


def open_file(node: Node, path: str) -> BinaryIO | None:
    """None where there is no such file. Whoever opens it closes it."""
    stat = node.stat(path)
    if stat is None:
        return None
    first = node.read_part(path, 0, 0)  # what is no file, says so here
    return None if first is None else cast("BinaryIO", io.BufferedReader(_File(node, path), _AHEAD))


class _File(io.RawIOBase):
    def __init__(self, node: Node, path: str) -> None:
        super().__init__()
        self._node, self._path, self._at = node, path, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        if whence == os.SEEK_END:
            offset += self._size()
        elif whence == os.SEEK_CUR:
            offset += self._at
        self._at = max(offset, 0)
        return self._at

    def tell(self) -> int:
        return self._at

    def readinto(self, buffer: bytearray | memoryview, /) -> int:  # type: ignore[override]  # typeshed's name for both is private
        content = self._node.read_part(self._path, self._at, len(buffer)) or b""
        buffer[: len(content)] = content
        self._at += len(content)
        return len(content)

    def _size(self) -> int:
        """As of what a link leads to, too."""
        found = self._node.stat(self._path)
        if found is not None and found.kind == "file":
            return found.size
        at, step = 0, _AHEAD
        while piece := self._node.read_part(self._path, at, step):
            at += len(piece)
        return at
