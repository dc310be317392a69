"""Databases of etcd, as small as bbolt's format lets them be, and snapshots of them."""

from __future__ import annotations

import hashlib
import json
import struct
from collections.abc import Mapping, Sequence

PAGE = 4096


def database(revision: int = 7, members: Sequence[str] = ("cp1",), value: bytes = b"value") -> bytes:
    """One key with `value` at `revision`, and members of these names at 10.0.0.1, 10.0.0.2 …"""
    listed = {
        f"{number:016x}".encode(): json.dumps(
            {"id": number, "name": name, "peerURLs": [f"https://10.0.0.{number}:2380"], "clientURLs": []}
        ).encode()
        for number, name in enumerate(members, 1)
    }
    keys = {struct.pack(">QcQ", revision, b"_", 0): value}
    root = _leaf(3, {b"key": struct.pack("<QQ", 4, 0), b"members": struct.pack("<QQ", 0, 0) + _leaf(0, listed)})
    pages = (_meta(0, 2), _meta(1, 1), b"free", root, _leaf(4, keys))
    return b"".join(page + bytes(-len(page) % PAGE) for page in pages)


def snapshot(content: bytes | None = None) -> bytes:
    """As etcd sends it: with its SHA-256 at the end."""
    content = database() if content is None else content
    return content + hashlib.sha256(content).digest()


def _meta(page: int, transaction: int) -> bytes:
    header = struct.pack("<QHHI", page, 4, 0, 0)
    return header + struct.pack("<IIIIQQQQQ", 0xED0CDAED, 2, PAGE, 0, 3, 0, 2, 5, transaction) + bytes(8)


def _leaf(page: int, entries: Mapping[bytes, bytes]) -> bytes:
    size = struct.calcsize("<IIII")
    elements, data = b"", b""
    for number, (key, value) in enumerate(sorted(entries.items())):
        place = size * (len(entries) - number) + len(data)
        elements += struct.pack("<IIII", 0, place, len(key), len(value))
        data += key + value
    return struct.pack("<QHHI", page, 2, len(entries), (len(elements + data) + 16) // PAGE) + elements + data
