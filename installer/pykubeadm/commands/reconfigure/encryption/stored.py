"""What is in etcd, and what wrote it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING

from pykubeadm.commands.reconfigure.encryption.configuration import writer_of

if TYPE_CHECKING:
    from pykubeadm.etcd.client import EtcdClient


def values(client: EtcdClient, prefix: str, resource: str) -> Iterator[tuple[str, bytes]]:
    """The objects of a resource as the configuration calls it ("secrets", "widgets.example.org"): what stands behind its own
    prefix in their keys, and their values. (Kubernetes: pkg/registry, StorageWithCacher; resources of a group have it in their
    keys, but for those that were in Kubernetes from its beginning, of which none is worth encrypting.)"""
    name, _, group = resource.partition(".")
    place = f"{prefix}/{group}/{name}/" if group else f"{prefix}/{name}/"
    for key, value in client.values(place):
        yield key.removeprefix(place), value


def writers(client: EtcdClient, prefix: str, resource: str) -> Counter[str]:
    """How many objects of the resource each provider wrote."""
    return Counter(writer_of(value) for _key, value in values(client, prefix, resource))
