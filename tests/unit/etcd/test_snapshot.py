"""Snapshots through etcd's API: whole and with their digest, or nothing."""

from __future__ import annotations

import base64
import hashlib
import json

import pytest

from pykubeadm.errors import NodeError
from pykubeadm.etcd.client import EtcdClient, EtcdError, EtcdUnreachableError, Snapshot
from pykubeadm.etcd.snapshot import checked, save_snapshot
from tests.support.node import FakeNode, completed
from tests.unit.etcd.test_client import gateway, refused

DATABASE = bytes(range(256)) * 8
WHOLE = DATABASE + hashlib.sha256(DATABASE).digest()


def lines(data: bytes, size: int = 300) -> bytes:
    blobs = [data[start : start + size] for start in range(0, len(data), size)]
    return b"".join(json.dumps({"result": {"blob": base64.b64encode(blob).decode()}}).encode() + b"\n" for blob in blobs)


@pytest.mark.parametrize("size", [1, 31, 32, 33, 300, 10_000])
def test_a_whole_database_passes_in_blobs_of_any_size(size: int) -> None:
    blobs = [WHOLE[start : start + size] for start in range(0, len(WHOLE), size)]
    assert b"".join(checked(blobs)) == WHOLE


@pytest.mark.parametrize("data", [b"", WHOLE[:-1], WHOLE[:-32], WHOLE[512:], DATABASE, b"\0" + WHOLE[1:-1] + b"\0"])
def test_anything_else_does_not(data: bytes) -> None:
    with pytest.raises(EtcdError, match="SHA-256 does not match"):
        list(checked([data]))


def test_what_the_gateway_sends_is_the_database() -> None:
    with gateway(200, lines(WHOLE)) as url:
        assert b"".join(EtcdClient([url], None).snapshot(url).blobs) == WHOLE


@pytest.mark.parametrize(
    ("status", "answer", "said"),
    [
        (200, lines(WHOLE)[:1000] + b'\n{"error":{"message":"no space"}}\n', "something else|no space"),
        (200, b'{"result":{"blob":"%"}}\n', "something else than its database"),
        (200, b"<html>\n", "something else than its database"),
        (200, b'{"error":{"message":"etcdserver: snapshot failed"}}\n', "snapshot failed"),
        (503, refused("etcdserver: no leader", 14), "no leader"),
        (404, b"not found", "JSON gateway"),
    ],
)
def test_what_it_sends_instead_is_said(status: int, answer: object, said: str) -> None:
    with gateway(status, answer) as url, pytest.raises(EtcdError, match=said):
        list(EtcdClient([url], None).snapshot(url).blobs)


def test_nobody_there() -> None:
    with pytest.raises(EtcdUnreachableError, match="connection refused"):
        EtcdClient([], None).snapshot("http://127.0.0.1:1")


class Client(EtcdClient):
    def __init__(self, data: bytes) -> None:
        super().__init__([], None)
        self.data = data

    def status(self, endpoint):
        from pykubeadm.etcd.client import Status

        return Status(1, "3.6.8", 1, learner=False, db_size=len(self.data))

    def snapshot(self, endpoint):
        return Snapshot(len(self.data), iter([self.data]))


def test_it_is_kept_for_root_alone() -> None:
    node = FakeNode(commands={"df": completed(f"Avail\n{len(WHOLE) * 2}\n")})
    assert save_snapshot(node, Client(WHOLE), "https://10.0.0.9:2379", "/etc/kubernetes/tmp/a/snapshot.db") == len(WHOLE)
    found = node.stat("/etc/kubernetes/tmp/a/snapshot.db")
    assert found is not None
    assert found.mode == 0o600


def test_without_space_nothing_is_asked_for() -> None:
    node = FakeNode(commands={"df": completed("Avail\n1000\n")})
    with pytest.raises(NodeError, match=r"takes 0 MiB, and only 0 MiB are free .*free some space"):
        save_snapshot(node, Client(WHOLE), "https://10.0.0.9:2379", "/etc/kubernetes/tmp/a/snapshot.db")
    assert node.files == {}


def test_a_damaged_one_leaves_nothing() -> None:
    node = FakeNode(commands={"df": completed("what?")})
    with pytest.raises(EtcdError, match="damaged or cut off"):
        save_snapshot(node, Client(WHOLE[:-32]), "https://10.0.0.9:2379", "/s/snapshot.db")
    assert node.files == {}
