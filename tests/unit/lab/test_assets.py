"""Finding and downloading Kubernetes' binaries, against folders and a server of our own."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from lab.assets import CONTROL_PLANE, DOWNLOADS, Assets, AssetsMissing, Sources, download, find, probe
from lab.host import ARCH

VERSION = "v1.36.9"
FOLDER = f"/release/{VERSION}/bin/linux/{ARCH}"


def _kubelet(folder: Path, version: str) -> Path:
    folder.mkdir(parents=True)
    (folder / "kubelet").write_text(f"#!/bin/sh\necho Kubernetes {version}\n")
    (folder / "kubectl").write_text("#!/bin/sh\n")
    (folder / "kubelet").chmod(0o755)
    return folder


@pytest.fixture
def published() -> dict[str, bytes]:
    """What the server has: path → content."""
    files = {"/release/stable.txt": b"v1.36.9\n", "/v2/": b"{}"}
    for name in DOWNLOADS:
        content = f"the program {name}".encode() * 1000
        files[f"{FOLDER}/{name}"] = content
        files[f"{FOLDER}/{name}.sha256"] = hashlib.sha256(content).hexdigest().encode()
    return files


@pytest.fixture
def server(published: dict[str, bytes]) -> Iterator[Sources]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            content = published.get(self.path)
            self.send_response(404 if content is None else 200)
            self.send_header("Content-Length", str(len(content or b"")))
            self.end_headers()
            self.wfile.write(content or b"")

        def log_message(self, *_: object) -> None:
            """Tests are quiet."""

    serving = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=serving.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    url = f"http://127.0.0.1:{serving.server_port}"
    yield Sources(downloads=url, registry=url, timeout=60)
    serving.shutdown()
    thread.join()
    serving.server_close()


def test_a_download_is_verified_and_executable(server: Sources, tmp_path: Path) -> None:
    found = download(VERSION, tmp_path / VERSION / "bin", server)
    assert sorted(path.name for path in found.iterdir()) == sorted(DOWNLOADS)
    assert all(path.stat().st_mode & 0o111 for path in found.iterdir())
    assert (found / "kubelet").read_bytes().startswith(b"the program kubelet")


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ((f"{FOLDER}/kubectl", b"something else"), "kubectl has the sha256"),
        ((f"{FOLDER}/kubelet.sha256", b""), "published is none"),
        ((f"{FOLDER}/kubelet", None), "kubelet answers 404"),
        ((f"{FOLDER}/kubeadm.sha256", None), r"kubeadm\.sha256 answers 404"),
    ],
    ids=["corrupt", "no checksum", "no program", "no checksum file"],
)
def test_a_bad_download_leaves_nothing(
    server: Sources, published: dict[str, bytes], tmp_path: Path, change: tuple[str, bytes | None], sentence: str
) -> None:
    path, content = change
    if content is None:
        del published[path]
    else:
        published[path] = content
    with pytest.raises(AssetsMissing, match=sentence):
        download(VERSION, tmp_path / VERSION / "bin", server)
    assert not (tmp_path / VERSION / "bin").exists()
    assert list((tmp_path / VERSION).iterdir()) == []


def test_what_is_missing_is_downloaded_into_the_cache(server: Sources, tmp_path: Path) -> None:
    found = find(VERSION, environment={}, cache=tmp_path, sources=server)
    assert found.bin == tmp_path / VERSION / "bin"
    assert found.pulls_images
    assert found.etcd_tag is None


def test_the_error_names_every_place(tmp_path: Path) -> None:
    nowhere = Sources(downloads="http://127.0.0.1:9", registry="http://127.0.0.1:9", timeout=1)
    with pytest.raises(AssetsMissing) as caught:
        find(environment={"PYKUBEADM_ASSETS": f"{tmp_path}/none"}, cache=tmp_path / "cache", sources=nowhere)
    text = str(caught.value)
    assert f"PYKUBEADM_ASSETS={tmp_path}/none" in text
    assert f"{tmp_path}/cache/VERSION/bin" in text
    assert "http://127.0.0.1:9" in text
    assert "\n" not in text


def test_a_registry_that_fails_is_as_good_as_none(server: Sources) -> None:
    with pytest.raises(AssetsMissing, match="9/v2/ cannot be reached"):
        probe(Sources(downloads=server.downloads, registry="http://127.0.0.1:9", timeout=1))


def test_the_variable_comes_before_the_cache(tmp_path: Path) -> None:
    named = _kubelet(tmp_path / "mine" / "bin", "v1.36.1")
    _kubelet(tmp_path / "cache" / "v1.36.2" / "bin", "v1.36.2")
    for value in (tmp_path / "mine", named):
        found = find(environment={"PYKUBEADM_ASSETS": str(value)}, cache=tmp_path / "cache", sources=None)
        assert (found.version, found.bin) == ("v1.36.1", named)


def test_the_newest_of_the_cache_unless_one_is_named(tmp_path: Path) -> None:
    for version in ("v1.36.2", "v1.36.10", "1.35.6"):
        _kubelet(tmp_path / version / "bin", f"v{version.removeprefix('v')}")
    (tmp_path / "notes").mkdir()
    assert find(environment={}, cache=tmp_path, sources=None).version == "v1.36.10"
    assert find("1.36.2", environment={}, cache=tmp_path, sources=None).version == "v1.36.2"
    assert find("v1.35.6", environment={}, cache=tmp_path, sources=None).bin == tmp_path / "1.35.6" / "bin"


def test_another_version_lends_only_what_belongs_to_none(tmp_path: Path) -> None:
    own, other = _kubelet(tmp_path / "v1.35.6" / "bin", "v1.35.6"), _kubelet(tmp_path / "v1.36.2" / "bin", "v1.36.2")
    for name in ("etcd", "kube-apiserver"):
        (other / name).write_text("")
    assets = Assets("v1.35.6", own, (other, own))
    assert assets.program("etcd") == other / "etcd"
    assert assets.program("kube-apiserver") is None
    assert assets.program("kubelet") == own / "kubelet"


@pytest.mark.parametrize(
    ("etcd", "tag"), [("3.6.8", None), ("3.6.0", None), ("3.6.21", None), ("3.5.30", "3.5.30-0"), ("3.60.1", "3.60.1-0")]
)
def test_any_etcd_of_the_wanted_minor_goes_under_the_default_tag(tmp_path: Path, etcd: str, tag: str | None) -> None:
    folder = _kubelet(tmp_path / "bin", "v1.36.2")
    for name in (*CONTROL_PLANE, "coredns"):
        (folder / name).write_text("")
    (folder / "etcd").write_text(f"#!/bin/sh\necho etcd Version: {etcd}\n")
    (folder / "etcd").chmod(0o755)
    assert Assets("v1.36.2", folder).etcd_tag == tag
