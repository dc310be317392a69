"""What is in a database of etcd, a file of bbolt: its revision and its members, found without reading all of it.

The format is bbolt's (https://github.com/etcd-io/bbolt: internal/common), little endian; the buckets are
etcd's (server/storage/schema/bucket.go).
"""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from typing import BinaryIO, Final, NamedTuple

from pykubeadm.etcd.client import EtcdError, Member
from pykubeadm.util.dataclass import dataclass

_MAGIC: Final = 0xED0CDAED
_PAGE: Final = struct.Struct("<QHHI")  # id, flags, number of elements, overflow
_META: Final = struct.Struct("<IIIIQQQQQ")  # magic, version, page size, flags, root, its sequence, free list, pages, transaction
_BRANCH_ELEMENT: Final = struct.Struct("<IIQ")  # place, length of the key, page
_LEAF_ELEMENT: Final = struct.Struct("<IIII")  # flags, place, length of the key, length of the value
_BUCKET: Final = struct.Struct("<QQ")  # page of its root, 0 where the bucket follows itself; sequence
_BRANCH, _LEAF, _IS_META = 1, 2, 4
_DEEPEST: Final = 32  # levels of pages: what has more leads in a circle
_KEYS, _MEMBERS = b"key", b"members"
_LARGEST_PAGE: Final = 1 << 26  # bytes, overflow included: values of etcd have 1.5 MiB


class NoDatabaseError(EtcdError):
    """The file is no database of etcd, or damaged."""


@dataclass(frozen=True, slots=True)
class Contents:
    """`revision` is that of the newest key; `members` are as the cluster knew them."""

    revision: int
    members: tuple[Member, ...]


class _Element(NamedTuple):
    key: bytes
    value: bytes  # of a leaf
    page: int  # of a branch


def read_contents(file: BinaryIO, start: int = 0) -> Contents:
    """Of the database that begins at byte `start` of the file. NoDatabaseError with what is wrong."""
    try:
        database = _Database(file, start)
        last = database.last_key(_KEYS)
        members = tuple(database.members())
    except (struct.error, ValueError, LookupError, TypeError, OverflowError, OSError) as error:
        raise NoDatabaseError(f"it is not a database of etcd, or is damaged ({error})") from error
    return Contents(int.from_bytes(last[:8], "big"), members)


class _Database:
    def __init__(self, file: BinaryIO, start: int) -> None:
        self._file, self._start = file, start
        metas = [meta for meta in (self._meta(0), self._meta(0, second=True)) if meta is not None]
        if not metas:
            raise ValueError("its first pages are not bbolt's")
        self._page_size, self._root, _transaction = max(metas, key=lambda meta: meta[2])

    def _meta(self, offset: int, *, second: bool = False) -> tuple[int, int, int] | None:
        """(page size, page of the root bucket, transaction) of one of the two descriptions of the database."""
        if second:
            first = self._meta(0)
            offset = first[0] if first else 4096
        content = self._bytes(offset, _PAGE.size + _META.size)
        _id, flags, _count, _overflow = _PAGE.unpack_from(content)
        magic, _version, page_size, _flags, root, _sequence, _free, _pages, transaction = _META.unpack_from(content, _PAGE.size)
        if magic != _MAGIC or not flags & _IS_META or page_size < 512:
            return None
        return page_size, root, transaction

    def last_key(self, bucket: bytes) -> bytes:
        """The greatest key of a bucket; b"" for an empty one."""
        elements = self._bucket(bucket)
        for _level in range(_DEEPEST):
            if not elements or not elements[-1].page:
                return elements[-1].key if elements else b""
            elements = self._elements(elements[-1].page)
        raise ValueError("its pages lead in a circle")

    def members(self) -> Iterator[Member]:
        for element in self._leaves(self._bucket(_MEMBERS)):
            found = json.loads(element.value)
            yield Member(
                id=int(found["id"]),
                name=str(found.get("name", "")),
                peer_urls=tuple(map(str, found.get("peerURLs") or ())),
                client_urls=tuple(map(str, found.get("clientURLs") or ())),
                learner=found.get("isLearner") is True,
            )

    def _leaves(self, elements: list[_Element], level: int = 0) -> Iterator[_Element]:
        if level > _DEEPEST:
            raise ValueError("its pages lead in a circle")
        for element in elements:
            if element.page:
                yield from self._leaves(self._elements(element.page), level + 1)
            else:
                yield element

    def _bucket(self, name: bytes) -> list[_Element]:
        """The elements of the top page of a bucket."""
        found = next((leaf for leaf in self._leaves(self._elements(self._root)) if leaf.key == name), None)
        if found is None:
            raise ValueError(f"it has no bucket {name.decode()}")
        page, _sequence = _BUCKET.unpack_from(found.value)
        return self._elements(page) if page else list(_parsed(found.value[_BUCKET.size :]))

    def _elements(self, page: int) -> list[_Element]:
        offset = page * self._page_size
        _id, _flags, _count, overflow = _PAGE.unpack(self._bytes(offset, _PAGE.size))
        size = (overflow + 1) * self._page_size
        if size > _LARGEST_PAGE:
            raise ValueError(f"page {page} is too large")
        return list(_parsed(self._bytes(offset, size)))

    def _bytes(self, offset: int, size: int) -> bytes:
        self._file.seek(self._start + offset)
        return self._file.read(size)


def _parsed(page: bytes) -> Iterator[_Element]:
    _id, flags, count, _overflow = _PAGE.unpack_from(page)
    if not flags & (_BRANCH | _LEAF):
        raise ValueError("a page is neither a branch nor a leaf")
    for number in range(count):
        if flags & _BRANCH:
            at = _PAGE.size + number * _BRANCH_ELEMENT.size
            place, key_size, child = _BRANCH_ELEMENT.unpack_from(page, at)
            yield _Element(page[at + place : at + place + key_size], b"", child)
        else:
            at = _PAGE.size + number * _LEAF_ELEMENT.size
            _flags, place, key_size, value_size = _LEAF_ELEMENT.unpack_from(page, at)
            key_end = at + place + key_size
            yield _Element(page[at + place : key_end], page[key_end : key_end + value_size], 0)
