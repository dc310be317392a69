"""A snapshot of etcd with what a cluster cannot be brought back without, in one tar archive: keys, certificates, the encryption
configuration, the ClusterConfiguration. Written in one pass as etcd sends its database, so that it takes no second copy.

`archive.json` comes last and describes the rest; `snapshot.db` is what `etcdctl snapshot save` writes; the node's files lie below
`files/` with their whole path, so that `tar --extract` is enough to get at them.
"""

from __future__ import annotations

import hashlib
import json
import re
import tarfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, field
from datetime import UTC, datetime, timedelta
from typing import IO, Any, BinaryIO, Final

from pykubeadm.etcd.client import DIGEST, EtcdError, Snapshot
from pykubeadm.etcd.database import Contents, NoDatabaseError, read_contents
from pykubeadm.etcd.snapshot import checked
from pykubeadm.util.dataclass import dataclass
from pykubeadm.util.timestamp import parse_timestamp

SUFFIX: Final = ".tar"
DATABASE: Final = "snapshot.db"
FILES: Final = "files"
CLUSTER_CONFIGURATION: Final = "kubeadm-config.yaml"
_DESCRIPTION: Final = "archive.json"
_FORMAT: Final = 1
_NAME: Final = re.compile(r"etcd-(\d{8}T\d{6})(?:\.\d{3})?Z-(.+)\.tar(?:\.age)?", re.ASCII)
_PART: Final = re.compile(rf"\.({_NAME.pattern})\.part", re.ASCII)  # as `node/files.py` calls what is being saved
_TIME: Final = "%Y%m%dT%H%M%S"  # in names, which sort by it
_SAVED_WITHIN: Final = timedelta(hours=6)  # far more than a database of etcd takes, whose limit is 8 GiB
_CHUNK: Final = 1 << 20  # bytes read at a time
LARGEST_FILE: Final = 1 << 24  # bytes of anything but the database


class DamagedSnapshotError(EtcdError):
    """An archive or a snapshot that must not be restored: cut off, changed, or none at all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Where a snapshot comes from. `revision` and `hash` are etcd's (HashKV) right before it was taken; `ca` is the pin of the
    cluster's CA, "" where it was not on the node; ids are etcd's, in hexadecimal digits."""

    created: str  # RFC 3339, UTC
    node: str
    cluster_id: str
    member_id: str
    revision: int
    hash: int
    etcd_version: str
    kubernetes_version: str
    ca: str


@dataclass(frozen=True, slots=True)
class Archive:
    """What was found in a file that holds a snapshot: `origin` is None for one that etcdctl wrote, which has nothing else in it.
    The database begins at byte `start`, has `size` bytes, its digest included, whose hexadecimal digits are `sha256`."""

    origin: Origin | None
    contents: Contents
    start: int
    size: int
    sha256: str
    files: Mapping[str, bytes] = field(default_factory=dict, repr=False)  # name in the archive → content

    @property
    def created(self) -> datetime | None:
        return parse_timestamp(self.origin.created) if self.origin else None


def pack(origin: Origin, files: Mapping[str, bytes], snapshot: Snapshot) -> Iterator[bytes]:
    """The archive's bytes; `files` are by their names in it. EtcdError at the end where the snapshot is damaged."""
    mtime = int(parse_timestamp(origin.created).timestamp())
    for name, content in files.items():
        yield from _entry(name, content, mtime)
    yield _header(DATABASE, snapshot.size, mtime)
    size, tail = 0, b""
    for blob in checked(snapshot.blobs):
        size += len(blob)
        tail = (tail + blob)[-DIGEST:]
        yield blob
    if size != snapshot.size:
        raise EtcdError(f"etcd announced a snapshot of {snapshot.size} bytes and sent {size}")
    yield _padding(size)
    described = {"format": _FORMAT, **asdict(origin), "size": size, "sha256": tail.hex(), "files": _digests(files)}
    yield from _entry(_DESCRIPTION, json.dumps(described, indent=1).encode(), mtime)
    yield bytes(2 * tarfile.BLOCKSIZE)


def read_archive(file: BinaryIO) -> Archive:
    """What a file holds: an archive of ours, or a snapshot as etcdctl writes it. All of it is read and compared with its digests.
    DamagedSnapshotError where it is neither or not whole."""
    if _is_tar(file):
        return _read_tar(file)
    file.seek(0, 2)
    return _read_database(file, 0, file.tell())


def _is_tar(file: BinaryIO) -> bool:
    """Ours are not compressed: what is, is none, and is not decompressed to find that out."""
    file.seek(0)
    try:
        with tarfile.open(fileobj=file, mode="r:"):
            return True
    except tarfile.TarError:
        return False
    except ValueError:  # of a number in an entry's header
        return True


def database_chunks(file: BinaryIO, archive: Archive) -> Iterator[bytes]:
    """The snapshot as etcdutl reads it."""
    file.seek(archive.start)
    left = archive.size
    while left and (chunk := file.read(min(_CHUNK, left))):
        left -= len(chunk)
        yield chunk


def _read_tar(file: BinaryIO) -> Archive:
    files: dict[str, bytes] = {}
    place: tuple[int, int] | None = None
    file.seek(0)
    try:
        with tarfile.open(fileobj=file, mode="r:") as tar:
            for entry in tar:
                if entry.name == DATABASE:
                    place = (entry.offset_data, entry.size)
                elif (
                    entry.isreg() and not entry.issparse() and entry.size <= LARGEST_FILE
                ):  # a few bytes could be a thousand files
                    content: IO[bytes] | None = tar.extractfile(entry)
                    files[entry.name] = content.read() if content else b""
    except (tarfile.TarError, OSError, EOFError, ValueError) as error:
        raise DamagedSnapshotError(f"the archive is damaged or cut off: {error}") from error
    description = files.pop(_DESCRIPTION, None)
    if description is None or place is None:
        missing = DATABASE if place is None else _DESCRIPTION
        raise DamagedSnapshotError(f"the archive is cut off, or is not one of pykubeadm: there is no {missing} in it")
    origin, described = _origin(description)
    archive = _read_database(file, *place)
    if described.get("sha256") != archive.sha256:
        raise DamagedSnapshotError("the archive is damaged: its snapshot is not the one that it describes")
    digests = described.get("files")
    if digests != _digests(files):
        wrong = _differing(digests if isinstance(digests, dict) else {}, files) or _DESCRIPTION
        raise DamagedSnapshotError(f"the archive is damaged: {wrong} is not what it describes")
    return Archive(origin, archive.contents, archive.start, archive.size, archive.sha256, files)


def _differing(digests: Mapping[str, Any], files: Mapping[str, bytes]) -> str:
    found = _digests(files)
    return ", ".join(sorted(name for name in {*digests, *found} if digests.get(name) != found.get(name)))


def _origin(description: bytes) -> tuple[Origin, Mapping[str, Any]]:
    try:
        described = json.loads(description)
        if described["format"] != _FORMAT:
            raise DamagedSnapshotError(f"the archive has format {described['format']}, which a newer pykubeadm may read")
        origin = Origin(**{name: described[name] for name in Origin.__dataclass_fields__})
        parse_timestamp(origin.created)
        for name, value in asdict(origin).items():
            if type(value) is not (int if name in ("revision", "hash") else str):
                raise ValueError(f"{name} is {value!r:.40}")  # noqa: TRY301 - one sentence for all that may be wrong
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise DamagedSnapshotError(f"the archive is damaged: {_DESCRIPTION} cannot be read ({error})") from error
    return origin, described


def _read_database(file: BinaryIO, start: int, size: int) -> Archive:
    digest, tail = hashlib.sha256(), b""
    whole = Archive(None, Contents(0, ()), start, size, "")
    read = 0
    for chunk in database_chunks(file, whole):
        read += len(chunk)
        rest = tail + chunk
        digest.update(rest[:-DIGEST])
        tail = rest[-DIGEST:]
    if read != size or size % 512 != DIGEST or digest.digest() != tail:
        raise DamagedSnapshotError(
            f"the snapshot is damaged or cut off: the SHA-256 at the end of its {read} bytes is not theirs (a file copied "
            "from a data directory has none: take a snapshot through etcd's API)"
        )
    try:
        contents = read_contents(file, start)
    except NoDatabaseError as error:
        raise DamagedSnapshotError(f"the snapshot cannot be used: {error}") from error
    return Archive(None, contents, start, size, tail.hex())


def _entry(name: str, content: bytes, mtime: int) -> Iterator[bytes]:
    yield _header(name, len(content), mtime)
    yield content + _padding(len(content))


def _header(name: str, size: int, mtime: int) -> bytes:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mtime, entry.mode = size, mtime, 0o600
    return entry.tobuf(tarfile.GNU_FORMAT)


def _padding(size: int) -> bytes:
    return bytes(-size % tarfile.BLOCKSIZE)


def _digests(files: Mapping[str, bytes]) -> dict[str, str]:
    return {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}


def timestamp(now: datetime) -> str:
    """As archives have it: RFC 3339, UTC, whole seconds."""
    return f"{now.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


def named(now: datetime, node: str, suffix: str = SUFFIX) -> str:
    """The name of the file for an archive: names sort by time, and two of one second have two (milliseconds)."""
    return f"etcd-{now.astimezone(UTC):%Y%m%dT%H%M%S}.{now.microsecond // 1000:03}Z-{node}{suffix}"


def names_of(names: Iterable[str]) -> list[str]:
    """Those of `names` that are such files', the newest first."""
    return sorted(filter(_NAME.fullmatch, names), reverse=True)


def left_over(names: Iterable[str], name: str) -> list[str]:
    """Those of `names` that earlier saves of the node which now saves the archive `name` were killed over."""
    new = _NAME.fullmatch(name)
    if new is None:
        return []
    begun = datetime.strptime(new[1], _TIME).replace(tzinfo=UTC) - _SAVED_WITHIN
    parts = (part for part in map(_PART.fullmatch, names) if part and part[3] == new[2])
    return [part[0] for part in parts if part[2] < f"{begun:{_TIME}}"]
