"""Snapshots of a real etcd: what its own tools make of our archives, and what we read in its databases."""

from __future__ import annotations

import base64
import json
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from lab import assets
from lab.host import LabError
from pykubeadm.etcd.archive import Origin, database_chunks, pack, read_archive
from pykubeadm.etcd.client import EtcdClient
from tests.integration.test_etcd_membership import Cluster, _eventually, _join
from tests.integration.test_etcd_membership import cluster as cluster  # noqa: PLC0414  fixtures
from tests.integration.test_etcd_membership import program as program  # noqa: PLC0414

WRITES = 6  # of a hundred keys each: with their values more than a page of keys can hold, so that there are branches


@pytest.fixture(scope="module")
def etcdutl() -> str:
    try:
        found = assets.find().program("etcdutl")
    except LabError:
        found = None
    if found is None:
        pytest.skip("there is no etcdutl on this machine")
    return str(found)


def endpoint(cluster: Cluster, name: str = "a") -> str:
    return cluster.client(name).endpoints[0]


def put(client: EtcdClient, values: Mapping[str, str]) -> None:
    """In one write."""
    pairs = [(base64.b64encode(key.encode()).decode(), base64.b64encode(text.encode()).decode()) for key, text in values.items()]
    requests = [{"requestPut": {"key": key, "value": value}} for key, value in pairs]
    client._post(client.endpoints[0], "/v3/kv/txn", {"success": requests})


def archived(client: EtcdClient, place: str, path: Path) -> int:
    """Keep an archive; its size."""
    status, keys = client.status(place), client.keys_hash(place)
    origin = Origin(
        created="2026-01-02T03:04:05Z",
        node="a",
        cluster_id=f"{status.cluster_id:x}",
        member_id=f"{status.member_id:x}",
        revision=keys.revision,
        hash=keys.hash,
        etcd_version=status.version,
        kubernetes_version="",
        ca="",
    )
    return path.write_bytes(b"".join(pack(origin, {"kubeadm-config.yaml": b"{}"}, client.snapshot(place))))


@pytest.fixture
def kept(cluster: Cluster, tmp_path: Path) -> Path:
    client = cluster.client("a")
    for write in range(WRITES):
        numbers = range(100 * write, 100 * write + 100)
        put(client, {f"/registry/{number % 200}": f"{number} {'x' * 300}" for number in numbers})
    path = tmp_path / "archive.tar"
    archived(client, endpoint(cluster), path)
    return path


def test_revision_members_and_digest_are_etcds(etcdutl: str, kept: Path, tmp_path: Path) -> None:
    with kept.open("rb") as file:
        archive = read_archive(file)
        (tmp_path / "snapshot.db").write_bytes(b"".join(database_chunks(file, archive)))
    said = subprocess.run(
        [etcdutl, "snapshot", "status", tmp_path / "snapshot.db", "-w", "json"], capture_output=True, check=True
    )
    theirs = json.loads(said.stdout)
    assert (archive.contents.revision, archive.size - 32) == (theirs["revision"], theirs["totalSize"])
    assert archive.contents.revision == WRITES + 1
    assert [member.name for member in archive.contents.members] == ["a"]
    assert archive.origin is not None
    assert archive.origin.revision == archive.contents.revision


def test_etcdutl_restores_what_was_kept(cluster: Cluster, etcdutl: str, kept: Path, tmp_path: Path) -> None:
    """With revisions above all that were seen; whoever watches from an earlier one is told so."""
    with kept.open("rb") as file:
        (tmp_path / "snapshot.db").write_bytes(b"".join(database_chunks(file, read_archive(file))))
    put(cluster.client("a"), {"/registry/later": "x"})
    cluster.end("a", data=False)
    command = [
        etcdutl, "snapshot", "restore", tmp_path / "snapshot.db", f"--data-dir={tmp_path / 'a'}", "--name=a",
        f"--initial-cluster=a={cluster.peer('a')}", f"--initial-advertise-peer-urls={cluster.peer('a')}",
        "--bump-revision=1000000000", "--mark-compacted",
    ]  # fmt: skip
    subprocess.run(command, check=True, capture_output=True)
    cluster.start("a", (("a", cluster.peer("a")),), "new")
    client = cluster.client("a")
    _eventually(client.members)
    status = client.status(endpoint(cluster))
    assert status.revision > 1_000_000_000
    found = client._post(endpoint(cluster), "/v3/kv/range", {"key": base64.b64encode(b"/registry/199").decode()})
    assert base64.b64decode(found["kvs"][0]["value"]).startswith(b"599 ")
    later = client._post(endpoint(cluster), "/v3/kv/range", {"key": base64.b64encode(b"/registry/later").decode()})
    assert later.get("kvs", []) == []


def test_members_have_the_same_hash(cluster: Cluster) -> None:
    put(cluster.client("a"), {"/registry/a": "x"})
    _join(cluster, "b")
    hashes = {_eventually(lambda name=name: cluster.client("a").keys_hash(endpoint(cluster, name))) for name in ("a", "b")}
    assert len(hashes) == 1


def test_space_and_alarms(cluster: Cluster) -> None:
    client = cluster.client("a")
    for number in range(10):
        put(client, {"/registry/a": f"{number} {'x' * 50000}"})
    revision = client.status(endpoint(cluster)).revision
    client._post(endpoint(cluster), "/v3/kv/compaction", {"revision": str(revision), "physical": True})
    before = client.status(endpoint(cluster))
    client.defragment(endpoint(cluster))
    assert client.status(endpoint(cluster)).db_size < before.db_size
    assert client.alarms() == ()
    member = client.members()[0]
    client._post(
        endpoint(cluster), "/v3/maintenance/alarm", {"action": "ACTIVATE", "memberID": str(member.id), "alarm": "NOSPACE"}
    )
    (alarm,) = client.alarms()
    assert (alarm.member_id, alarm.kind) == (member.id, "NOSPACE")
    client.disarm(alarm)
    assert client.alarms() == ()
