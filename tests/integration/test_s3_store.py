"""Archives in a bucket of a real server that speaks S3's API (moto's)."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from pykubeadm.commands.etcd.kept import kept, prune, status
from pykubeadm.commands.etcd.place import store_of
from pykubeadm.errors import NodeError, UsageError
from pykubeadm.etcd.client import EtcdError
from pykubeadm.etcd.s3 import S3Store
from pykubeadm.etcd.store import Store
from pykubeadm.node.local import LocalNode
from tests.support.etcd_runs import archived
from tests.support.servers import running

NAMES = [f"etcd-2026010{day}T030405.000Z-cp1.tar" for day in (1, 2, 3)]


@pytest.fixture(scope="module", autouse=True)
def endpoint() -> Iterator[str]:
    """The server, which takes a second to load: only where these tests are run."""
    pytest.importorskip("boto3")
    server = pytest.importorskip("moto.server")
    running = server.ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    running.start()
    host, port = running.get_host_and_port()
    yield f"http://{host}:{port}"
    running.stop()


@pytest.fixture
def store(endpoint: str, monkeypatch: pytest.MonkeyPatch) -> Store:
    """A new bucket, as the user's environment leads to it."""
    for name, value in {
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_ACCESS_KEY_ID": "someone",
        "AWS_SECRET_ACCESS_KEY": "something",
        "AWS_DEFAULT_REGION": "us-east-1",
    }.items():
        monkeypatch.setenv(name, value)
    client: Any = pytest.importorskip("boto3").client("s3")
    for bucket in client.list_buckets()["Buckets"]:
        for entry in client.list_objects_v2(Bucket=bucket["Name"]).get("Contents", ()):
            client.delete_object(Bucket=bucket["Name"], Key=entry["Key"])
        client.delete_bucket(Bucket=bucket["Name"])
    client.create_bucket(Bucket="backups")
    return store_of(LocalNode(), "s3://backups/prod/etcd")


def chunks(size: int) -> Iterator[bytes]:
    return (b"x" * min(1 << 20, size - start) for start in range(0, size, 1 << 20))


@pytest.mark.parametrize("size", [0, 5, 20 << 20], ids=["empty", "small", "in several parts"])
def test_what_is_kept_is_read_again(store: Store, size: int) -> None:
    assert store.save(NAMES[0], chunks(size)) == size
    assert [(each.name, each.size) for each in store.kept()] == [(NAMES[0], size)]
    file = store.open(NAMES[0])
    assert file is not None
    with file:
        assert len(file.read()) == size


def test_others_are_left_alone(store: Store) -> None:
    store.save(NAMES[0], [b"a"])
    store.save("notes.txt", [b"a"])
    store_of(LocalNode(), "s3://backups").save(NAMES[1], [b"a"])
    assert [each.name for each in store.kept()] == [NAMES[0]]
    assert store.open(NAMES[1]) is None


def test_commands_take_its_url(store: Store) -> None:
    for name in NAMES:
        store.save(name, [archived()])
    here = LocalNode()
    options = {"store": "s3://backups/prod/etcd/", "keep": 2}
    assert prune(options, machine=here) == [f"s3://backups/prod/etcd/{NAMES[0]}"]
    assert [each.name for each in kept(options, machine=here)[0]] == [NAMES[2], NAMES[1]]
    assert status(NAMES[2], options, machine=here).contents.revision == 41
    assert status(f"s3://backups/prod/etcd/{NAMES[1]}", {}, machine=here).contents.revision == 41
    with pytest.raises(UsageError, match=r"no snapshot .*, neither at that path nor in s3://backups/prod/etcd/"):
        status(f"s3://backups/prod/etcd/{NAMES[0]}", {}, machine=here)


def test_an_archive_that_breaks_off_is_not_kept(store: Store) -> None:
    def breaking() -> Iterator[bytes]:
        yield from chunks(20 << 20)
        raise EtcdError("etcd broke off")

    with pytest.raises(EtcdError, match="etcd broke off"):
        store.save(NAMES[0], breaking())
    assert store.kept() == []


@pytest.mark.usefixtures("store")
def test_what_the_server_refuses_is_said() -> None:
    with pytest.raises(NodeError, match=r"cannot keep s3://nobodys/etcd-.*NoSuchBucket"):
        store_of(LocalNode(), "s3://nobodys").save(NAMES[0], [b"a"])
    with pytest.raises(NodeError, match=r"cannot list s3://nobodys/: .*NoSuchBucket"):
        store_of(LocalNode(), "s3://nobodys").kept()


@pytest.mark.usefixtures("store")
def test_nobody_there_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    with pytest.raises(NodeError, match=r"cannot list s3://backups/: Could not connect"):
        store_of(LocalNode(), "s3://backups").kept()


class _BreaksOff(BaseHTTPRequestHandler):
    """Announces an object, and closes the connection in the middle of it."""

    def do_HEAD(self) -> None:
        self.send_response_only(200)
        self.send_header("Content-Length", "100000")
        self.send_header("ETag", '"x"')
        self.end_headers()

    def do_GET(self) -> None:
        self.do_HEAD()
        self.wfile.write(bytes(100))

    def log_message(self, *_arguments: object) -> None:
        pass


@pytest.mark.usefixtures("store")
def test_a_download_that_breaks_off_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    with running(ThreadingHTTPServer(("127.0.0.1", 0), _BreaksOff)) as server:
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{server.server_port}")
        with pytest.raises(NodeError, match=rf"cannot read s3://backups/{NAMES[0]}: "):
            store_of(LocalNode(), "s3://backups").open(NAMES[0])


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # the library leaves its socket open
def test_a_disk_that_is_too_small_for_what_is_downloaded_is_said(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    store.save(NAMES[0], chunks(1 << 20))
    full = open("/dev/full", "wb", buffering=0)  # noqa: SIM115  the store closes it
    monkeypatch.setattr("tempfile.TemporaryFile", lambda **_options: full)
    with pytest.raises(NodeError, match=rf"cannot read s3://backups/prod/etcd/{NAMES[0]}: .*No space left on device"):
        store.open(NAMES[0])
    gc.collect()  # here, and not in another test


@pytest.mark.parametrize("url", ["s3://", "s3://B", "s3:backups", "s3://a?b=c"])
def test_what_is_no_place_in_a_bucket_is_refused(url: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"is not s3://BUCKET/PREFIX"):
        S3Store(url, str(tmp_path))
