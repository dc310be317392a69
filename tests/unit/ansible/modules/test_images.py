"""The module `images`."""

from __future__ import annotations

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
    assert images.content(write(tmp_path / "oci.tar", {"index.json": index})) == {"docker.io/a/b:1": "sha256:1"}
    assert images.content(write(tmp_path / "d.tar", {"manifest.json": [{"RepoTags": ["c:2"]}]})) == {"docker.io/library/c:2": ""}


def test_an_archive_without_names_is_refused(tmp_path):
    with pytest.raises(images.ImageError, match="names no image"):
        images.content(write(tmp_path / "x.tar", {"index.json": {"manifests": []}}))
    with tarfile.open(tmp_path / "whole.tgz", "w:gz") as archive:
        (tmp_path / "layer").write_text(os.urandom(30000).hex())
        archive.add(tmp_path / "layer", "layer")
    (tmp_path / "half.tgz").write_bytes((tmp_path / "whole.tgz").read_bytes()[:20000])
    with pytest.raises(images.ImageError, match="is not an image archive"):
        images.content(str(tmp_path / "half.tgz"))
    (tmp_path / "broken.tar").write_text("no archive")
    with pytest.raises(images.ImageError, match="is not an image archive"):
        images.content(str(tmp_path / "broken.tar"))


def test_folders(tmp_path):
    (tmp_path / "b.tar").touch()
    (tmp_path / "a.tgz").touch()
    (tmp_path / "notes").touch()
    assert images.expand([str(tmp_path), "/nowhere"]) == [str(tmp_path / "a.tgz"), str(tmp_path / "b.tar")]
    assert images.expand(["/nowhere/x.tar"]) == ["/nowhere/x.tar"]
