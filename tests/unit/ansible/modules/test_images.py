"""The module `images`."""

from __future__ import annotations

import hashlib
import io
import json
import os
import tarfile

import pytest
from ansible_collections.pykubeadm.kube.plugins.modules import images


@pytest.mark.parametrize(
    ("name", "full"),
    [
        ("nginx", "docker.io/library/nginx:latest"), ("a/b:1", "docker.io/a/b:1"), ("localhost/x", "localhost/x:latest"),
        ("registry.k8s.io/pause:3.10", "registry.k8s.io/pause:3.10"), ("host:5000/x@sha256:1", "host:5000/x@sha256:1"),
    ],
)  # fmt: skip
def test_names(name, full):
    assert images.full_name(name) == full


def write(path, documents):
    with tarfile.open(path, "w") as archive:
        for name, document in documents.items():
            source = path.parent / "document"
            source.write_text(json.dumps(document))
            archive.add(source, name)
    return str(path)


def test_what_archives_hold(tmp_path):
    index = {"manifests": [{"digest": "sha256:1", "annotations": {"io.containerd.image.name": "a/b:1"}}]}
    assert images.Archive(write(tmp_path / "oci.tar", {"index.json": index})).images == {"docker.io/a/b:1": "sha256:1"}
    of_docker = images.Archive(write(tmp_path / "d.tar", {"manifest.json": [{"RepoTags": ["c:2", "d:1"]}]}))
    assert of_docker.images == {"docker.io/library/c:2": "", "docker.io/library/d:1": ""}
    assert of_docker.parts(list(of_docker.images)) == [list(of_docker.images)]


def test_an_archive_without_names_is_refused(tmp_path):
    with pytest.raises(images.ImageError, match="names no image"):
        images.Archive(write(tmp_path / "x.tar", {"index.json": {"manifests": []}}))
    with tarfile.open(tmp_path / "whole.tgz", "w:gz") as archive:
        (tmp_path / "layer").write_text(os.urandom(30000).hex())
        archive.add(tmp_path / "layer", "layer")
    (tmp_path / "half.tgz").write_bytes((tmp_path / "whole.tgz").read_bytes()[:20000])
    with pytest.raises(images.ImageError, match="is not an image archive"):
        images.Archive(str(tmp_path / "half.tgz"))
    (tmp_path / "broken.tar").write_text("no archive")
    with pytest.raises(images.ImageError, match="is not an image archive"):
        images.Archive(str(tmp_path / "broken.tar"))


def test_folders(tmp_path):
    (tmp_path / "b.tar").touch()
    (tmp_path / "a.tgz").touch()
    (tmp_path / "notes").touch()
    assert images.expand([str(tmp_path), "/nowhere"]) == [str(tmp_path / "a.tgz"), str(tmp_path / "b.tar")]
    assert images.expand(["/nowhere/x.tar"]) == ["/nowhere/x.tar"]


SHARED = "0" * 64  # the digest of a layer that images have in common


def layout(path, *names, mode="w"):
    """An archive of images with two layers each, of which they share one; the first image has a second name."""
    entries, blobs = [], {f"sha256:{SHARED}": b"shared"}
    for name in names:
        layer, config = (f"{name} {what}".encode() for what in ("layer", "config"))
        layers = [{"digest": f"sha256:{SHARED}"}, {"digest": add(blobs, layer)}, {"digest": "sha256:of-another-platform"}]
        manifest = {"config": {"digest": add(blobs, config)}, "layers": layers}
        entries.append({"digest": add(blobs, json.dumps(manifest).encode()), "annotations": {"io.containerd.image.name": name}})
    entries.append(entries[0] | {"annotations": {"io.containerd.image.name": f"{names[0]}-too"}})
    texts = {f"blobs/{digest.replace(':', '/')}": content for digest, content in blobs.items()}
    texts |= {"oci-layout": b'{"imageLayoutVersion": "1.0.0"}', "index.json": json.dumps({"manifests": entries}).encode()}
    with tarfile.open(path, mode) as archive:
        for name, content in texts.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return str(path)


def add(blobs, content):
    digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
    blobs[digest] = content
    return digest


API, PROXY = "registry.k8s.io/kube-apiserver:v1.36.2", "registry.k8s.io/kube-proxy:v1.36.2"


def test_one_image_of_several_with_all_that_belongs_to_it(tmp_path):
    archive = images.Archive(layout(tmp_path / "all.tar", API, PROXY))
    assert sorted(archive.parts([API, PROXY, f"{API}-too"])) == [[API, f"{API}-too"], [PROXY]]
    with (tmp_path / "part.tar").open("wb") as file:
        archive.write([PROXY], file)
    assert images.Archive(str(tmp_path / "part.tar")).images == {PROXY: archive.images[PROXY]}
    with tarfile.open(tmp_path / "part.tar") as part:
        contents = {member.name: part.extractfile(member).read() for member in part}
    assert {b"shared", f"{PROXY} layer".encode(), f"{PROXY} config".encode()} < set(contents.values())
    assert len(contents) == 6
    assert not any(API.encode() in content for content in contents.values())


def test_images_with_a_large_layer_in_common_come_together(tmp_path, monkeypatch):
    archive = images.Archive(layout(tmp_path / "all.tar", API, PROXY))
    monkeypatch.setattr(images, "LARGE", len(b"shared"))
    assert archive.parts([API, PROXY, f"{API}-too"]) == [[API, PROXY, f"{API}-too"]]


class Runtime:
    """A containerd whose ctr is a script; stands in for AnsibleModule."""

    check_mode = False

    def __init__(self, folder, script):
        self.said, ctr = folder / "said", folder / "ctr"
        ctr.write_text(f'#!/bin/sh\necho "$*" >>{self.said}\n{script}')
        ctr.chmod(0o755)
        self.get_bin_path = lambda name, **_options: str(ctr) if name == "ctr" else None

    def load(self, archive, names):
        images.Containerd(self, "/run/x.sock").load(archive, names)
        return self.said.read_text()

    def run(self, monkeypatch, **arguments):
        """What the whole module reports."""
        reported = []

        def made(spec, **_options):
            self.params = {name: option["default"] for name, option in spec.items()} | arguments
            return self

        self.exit_json = lambda **result: reported.append(result)
        monkeypatch.setattr(images, "AnsibleModule", made)
        images.main()
        return reported[0]


def test_containerd_gets_the_archive_itself_or_a_part_of_it(tmp_path):
    archive = images.Archive(layout(tmp_path / "all.tar", API, PROXY))
    runtime = Runtime(tmp_path, f"test $7 != - || cat >{tmp_path}/part.tar")
    assert runtime.load(archive, [API, f"{API}-too", PROXY]).endswith(f"images import {archive.path}\n")
    assert runtime.load(archive, [PROXY]).endswith("images import -\n")
    assert list(images.Archive(str(tmp_path / "part.tar")).images) == [PROXY]
    packed = images.Archive(layout(tmp_path / "all.tgz", API, PROXY, mode="w:gz"))
    assert packed.parts([PROXY, API]) == [[PROXY, API]]
    assert runtime.load(packed, [PROXY]).endswith(f"images import {packed.path}\n")


def test_what_containerd_says_counts_and_not_that_it_reads_no_more(tmp_path):
    archive = images.Archive(layout(tmp_path / "all.tar", API, PROXY))
    with pytest.raises(images.ImageError, match=r"^ctr: no space left on device$"):
        Runtime(tmp_path, "echo 'ctr: no space left on device' >&2; exit 1").load(archive, [PROXY])


@pytest.mark.parametrize(
    ("name", "repository"),
    [
        ("nginx", "docker.io/library/nginx"), ("host:5000/x:1", "host:5000/x"),
        ("r.io/a/etcd", "r.io/a/etcd"), ("r.io/x:1@sha256:1", "r.io/x"),
    ],
)  # fmt: skip
def test_names_without_tags(name, repository):
    assert images.repository(name) == repository


def test_a_worker_gets_no_image_of_the_control_plane(tmp_path, monkeypatch):
    layout(tmp_path / "all.tar", API, PROXY)
    layout(tmp_path / "control-plane.tar", API)
    runtime = Runtime(tmp_path, "test $6 != list || echo REF TYPE DIGEST; test $7 != - || cat >/dev/null")
    socket = tmp_path / "containerd.sock"
    socket.touch()
    arguments = {"archives": [str(tmp_path)], "socket": str(socket), "left_out": ["registry.k8s.io/kube-apiserver"]}
    assert runtime.run(monkeypatch, **arguments)["imported"] == [f"{tmp_path}/all.tar"]
    assert [line.split()[-1] for line in runtime.said.read_text().splitlines()] == ["list", "-"]
