"""Archives of snapshots: whole, or known to be damaged."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
import tracemalloc
from datetime import UTC, datetime

import pytest

from pykubeadm.etcd.archive import (
    DamagedSnapshotError,
    Origin,
    database_chunks,
    named,
    names_of,
    pack,
    read_archive,
)
from pykubeadm.etcd.client import EtcdError, Snapshot
from tests.support.databases import database, snapshot

WHOLE = snapshot(database(41, ("cp1", "cp2")))
FILES = {
    "files/etc/kubernetes/pki/ca.key": b"secret",
    "files/etc/kubernetes/pki/etcd/ca.crt": b"",
    "kubeadm-config.yaml": b"a: b",
}
ORIGIN = Origin(
    created="2026-01-02T03:04:05Z",
    node="cp1",
    cluster_id="cdf818194e3a8c32",
    member_id="8e9e05c52164694d",
    revision=40,
    hash=123,
    etcd_version="3.6.8",
    kubernetes_version="v1.36.2",
    ca="sha256:aa",
)


def described(**more: object) -> bytes:
    """An archive whose description says something else."""
    whole = packed()
    with tarfile.open(fileobj=io.BytesIO(whole)) as tar:
        entries = {entry.name: tar.extractfile(entry).read() for entry in tar}
    entries["archive.json"] = json.dumps(json.loads(entries["archive.json"]) | more).encode()
    return tarred(entries)


def tarred(entries: dict[str, bytes], headers: dict[str, str] | None = None) -> bytes:
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for name, content in entries.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.pax_headers = len(content), headers or {}
            tar.addfile(entry, io.BytesIO(content))
    return made.getvalue()


@pytest.mark.parametrize(
    "more",
    [
        {"files": True},
        {"files": [[]]},
        {"files": None},
        {"revision": "x"},
        {"kubernetes_version": 1},
        {"node": None},
        {"format": []},
    ],
)
def test_a_description_of_another_shape_is_damaged(more: dict[str, object]) -> None:
    assert read_archive(io.BytesIO(described())).origin == ORIGIN
    with pytest.raises(DamagedSnapshotError, match=r"damaged|newer"):
        read_archive(io.BytesIO(described(**more)))


def test_a_header_with_a_wrong_number_is_damage() -> None:
    with pytest.raises(DamagedSnapshotError, match="the archive is damaged or cut off"):
        read_archive(io.BytesIO(tarred({"a": b""}, {"GNU.sparse.size": "x"})))


def test_a_file_of_holes_is_not_filled() -> None:
    holes = {"GNU.sparse.major": "0", "GNU.sparse.minor": "1", "GNU.sparse.size": str(1 << 24), "GNU.sparse.map": "0,0"}
    tracemalloc.start()
    with pytest.raises(DamagedSnapshotError, match="there is no"):
        read_archive(io.BytesIO(tarred({"a": b""}, holes)))
    assert tracemalloc.get_traced_memory()[1] < 1 << 23
    tracemalloc.stop()


def packed(data: bytes = WHOLE, size: int = 1000) -> bytes:
    blobs = [data[start : start + size] for start in range(0, len(data), size)]
    return b"".join(pack(ORIGIN, FILES, Snapshot(len(data), iter(blobs))))


def test_all_that_was_packed_is_found() -> None:
    file = io.BytesIO(packed())
    found = read_archive(file)
    assert (found.origin, found.files) == (ORIGIN, FILES)
    assert (found.contents.revision, found.size) == (41, len(WHOLE))
    assert found.sha256 == hashlib.sha256(WHOLE[:-32]).hexdigest()
    assert b"".join(database_chunks(file, found)) == WHOLE


def test_tar_reads_it_and_its_files_are_their_owners_alone() -> None:
    with tarfile.open(fileobj=io.BytesIO(packed())) as tar:
        names = tar.getnames()
        assert {member.mode for member in tar.getmembers()} == {0o600}
    assert names == [*FILES, "snapshot.db", "archive.json"]


def test_a_snapshot_of_etcdctl_is_read_as_well() -> None:
    found = read_archive(io.BytesIO(WHOLE))
    assert (found.origin, found.created, found.contents.revision, dict(found.files)) == (None, None, 41, {})


@pytest.mark.parametrize("end", [0, 100, 512, 2000, 9000, -1024, -1025, -2000, -10000])
def test_one_that_is_cut_off_is_damaged(end: int) -> None:
    whole = packed()
    if end == -1024:  # the two empty blocks at the end say nothing
        assert read_archive(io.BytesIO(whole[:end])).origin == ORIGIN
        return
    with pytest.raises(DamagedSnapshotError, match=r"damaged|cut off"):
        read_archive(io.BytesIO(whole[:end]))


@pytest.mark.parametrize("size", [5, 200, 2000])
def test_a_compressed_archive_that_is_cut_off_is_none(size: int) -> None:
    compressed = gzip.compress(packed())
    with pytest.raises(DamagedSnapshotError, match=r"damaged or cut off"):
        read_archive(io.BytesIO(compressed[:size]))
    with pytest.raises(DamagedSnapshotError):
        read_archive(io.BytesIO(compressed))


def test_a_byte_that_changed_anywhere_is_found() -> None:
    whole = packed()
    with tarfile.open(fileobj=io.BytesIO(whole)) as tar:
        places = {member.name: (member.offset_data, member.size) for member in tar}
    for name, (start, size) in places.items():
        for place in {start, start + size // 2, start + size - 1} if size else ():
            changed = bytearray(whole)
            changed[place] ^= 0x01
            if name == "archive.json":
                continue  # names and numbers of people's; what it vouches for is compared below
            with pytest.raises(DamagedSnapshotError):
                read_archive(io.BytesIO(bytes(changed)))


def test_a_file_more_or_less_is_found() -> None:
    with pytest.raises(DamagedSnapshotError, match=r"ca\.key is not what it describes"):
        read_archive(io.BytesIO(packed().replace(b"secret", b"Secret")))


def test_one_of_a_later_form_is_not_taken_for_damaged() -> None:
    with pytest.raises(DamagedSnapshotError, match="format 2, which a newer pykubeadm may read"):
        read_archive(io.BytesIO(packed().replace(b'"format": 1', b'"format": 2')))


@pytest.mark.parametrize("data", [WHOLE[:-512], b"x" + WHOLE[1:]])
def test_what_etcd_sent_damaged_is_never_an_archive(data: bytes) -> None:
    with pytest.raises(EtcdError, match="damaged or cut off"):
        packed(data)


def test_names_say_when_and_where_and_others_are_left_alone() -> None:
    first, at_once, later = (
        named(datetime(2026, 1, day, 3, 4, 5, part, tzinfo=UTC), "cp-1") for day, part in ((2, 0), (2, 7000), (10, 0))
    )
    assert (first, at_once) == ("etcd-20260102T030405.000Z-cp-1.tar", "etcd-20260102T030405.007Z-cp-1.tar")
    assert names_of([first, "etcd-20260102T030404Z-cp-1.tar", "snapshot.db", later, "etcd-x.tar", at_once, f".{later}.part"]) == [
        later,
        at_once,
        first,
        "etcd-20260102T030404Z-cp-1.tar",
    ]
