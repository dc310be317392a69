"""A snapshot of etcd through its API, in a file: what `etcdctl snapshot save` makes and `etcdutl snapshot restore` reads."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from typing import Final

from pykubeadm.errors import NodeError
from pykubeadm.etcd.client import DIGEST, EtcdClient, EtcdError
from pykubeadm.node.port import Command, Node

_PAGE: Final = 512  # the database is a multiple of it, by which etcdutl distinguishes a snapshot with its digest from one without
_MARGIN: Final = 1.1  # the database may grow while it is read


def save_snapshot(node: Node, client: EtcdClient, endpoint: str, path: str) -> int:
    """Keep the database of the member at `endpoint` in `path`, readable by root alone; its size in bytes. Nothing is left where
    that fails: EtcdError, or NodeError where there is no space for it, which is looked for first."""
    size = client.status(endpoint).db_size
    free = free_space(node, path.rpartition("/")[0])
    if free is not None and free < size * _MARGIN:
        raise NodeError(
            f"a snapshot of etcd takes {size / 2**20:.0f} MiB, and only {free / 2**20:.0f} MiB are free where {path} lies: free "
            "some space, then run this again"
        )
    return node.save(path, checked(client.snapshot(endpoint).blobs), 0o600)


def checked(blobs: Iterable[bytes]) -> Iterator[bytes]:
    """The same blobs; EtcdError at their end where they are not a whole database with its digest."""
    digest, size, tail = hashlib.sha256(), 0, b""
    for blob in blobs:
        yield blob
        size += len(blob)
        rest = tail + blob
        digest.update(rest[:-DIGEST])
        tail = rest[-DIGEST:]
    if size % _PAGE != DIGEST or digest.digest() != tail:
        raise EtcdError(f"the snapshot that etcd sent is damaged or cut off after {size} bytes: its SHA-256 does not match")


def free_space(node: Node, directory: str) -> int | None:
    """Bytes that are free for root in the file system of a directory; None where df(1) does not say."""
    done = node.run(Command.look_up(("df", "--block-size=1", "--output=avail", directory), "look for free space"))
    words = done.stdout.split()
    return int(words[-1]) if done.status == 0 and words and words[-1].isdecimal() else None
