"""Image archives: what a runtime reads, and the same bytes each time."""

from __future__ import annotations

import hashlib
import json
import tarfile
from pathlib import Path

from lab.oci import Image, libraries, write_archive


def _image(tmp_path: Path) -> Image:
    (tmp_path / "program").write_text("#!/bin/sh\n")
    (tmp_path / "program").chmod(0o755)
    return Image(
        "example.test/tool:1",
        files={"/usr/bin/tool": str(tmp_path / "program")},
        links={"/bin/t": "/usr/bin/tool"},
        scripts={"/usr/bin/start": "#!/bin/sh\nexec tool\n"},
        entrypoint=("/usr/bin/start",),
        aliases=("example.test/tool:2",),
    )


def test_every_digest_is_the_content_s(tmp_path: Path) -> None:
    write_archive(_image(tmp_path), tmp_path / "a.tar")
    with tarfile.open(tmp_path / "a.tar") as archive:
        blobs = {m.name: archive.extractfile(m).read() for m in archive.getmembers()}  # type: ignore[union-attr]  # all are files
    index = json.loads(blobs["index.json"])
    names = [entry["annotations"]["io.containerd.image.name"] for entry in index["manifests"]]
    assert names == ["example.test/tool:1", "example.test/tool:2"]
    manifest = json.loads(blobs["blobs/sha256/" + index["manifests"][0]["digest"][7:]])
    config = json.loads(blobs["blobs/sha256/" + manifest["config"]["digest"][7:]])
    assert config["config"]["Entrypoint"] == ["/usr/bin/start"]
    assert config["rootfs"]["diff_ids"] == [manifest["layers"][0]["digest"]]
    for name, content in blobs.items():
        if name.startswith("blobs/"):
            assert hashlib.sha256(content).hexdigest() == name.rpartition("/")[2]


def test_the_layer_has_parents_before_children_and_no_path_twice(tmp_path: Path) -> None:
    write_archive(_image(tmp_path), tmp_path / "a.tar")
    with tarfile.open(tmp_path / "a.tar") as archive:
        [layer] = [m for m in archive.getmembers() if m.name.startswith("blobs/") and m.size > 4096]
        with tarfile.open(fileobj=archive.extractfile(layer)) as tree:
            members = tree.getmembers()
    paths = [member.name for member in members]
    assert len(set(paths)) == len(paths)
    for path in paths:
        parent = path.rpartition("/")[0]
        assert not parent or paths.index(parent) < paths.index(path)
    by_path = {member.name: member for member in members}
    assert by_path["usr/bin/tool"].mode == 0o755
    assert by_path["bin/t"].linkname == "/usr/bin/tool"


def test_the_same_input_gives_the_same_bytes(tmp_path: Path) -> None:
    image = _image(tmp_path)
    write_archive(image, tmp_path / "a.tar")
    (tmp_path / "program").touch()
    write_archive(image, tmp_path / "b.tar")
    assert (tmp_path / "a.tar").read_bytes() == (tmp_path / "b.tar").read_bytes()


def test_a_script_has_no_libraries(tmp_path: Path) -> None:
    (tmp_path / "script").write_text("#!/bin/sh\n")
    assert libraries(str(tmp_path / "script")) == []
