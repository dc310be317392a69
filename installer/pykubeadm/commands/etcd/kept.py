"""`etcd snapshot list`, `status` and `prune`: what is kept, what is in it, and how much of it stays."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pykubeadm.commands.etcd.place import Given, decryption_of, store_of
from pykubeadm.etcd.archive import read_archive

if TYPE_CHECKING:
    from pykubeadm.etcd.archive import Archive
    from pykubeadm.etcd.store import Kept, Store
    from pykubeadm.node.port import Node


def kept(options: Mapping[str, Any], *, machine: Node) -> tuple[list[Kept], Store]:
    """The archives in a store, the newest first."""
    store = store_of(machine, options.get("store"))
    return store.kept(), store


def status(name: str, options: Mapping[str, Any], *, machine: Node) -> Archive:
    """What is in an archive, or in a snapshot that etcdctl wrote. DamagedSnapshotError where it is not whole, EncryptionError
    where it cannot be opened."""
    with Given(machine, store_of(machine, options.get("store")), name, decryption_of(options, machine)).opened() as file:
        return read_archive(file)


def prune(options: Mapping[str, Any], *, machine: Node) -> list[str]:
    """Remove all archives but so many of the newest (`keep`); the places of those that are gone."""
    store = store_of(machine, options.get("store"))
    return [store.place(name) for name in prune_store(store, options["keep"])]


def prune_store(store: Store, keep: int) -> list[str]:
    """The names of those that were removed."""
    old = [entry.name for entry in store.kept()[keep:]]
    for name in old:
        store.remove(name)
    return old
