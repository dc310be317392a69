"""OCI image archives out of local programs, with no registry and no engine. Standard library only: it also runs inside a node.

An image is one layer: the files, the libraries they are linked with, links and small texts. The same input gives the same bytes.
`ctr images import` and `docker load` read the archive (image-spec v1.1, image-layout.md).
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import platform
import re
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

EPOCH = 1577836800  # 2020-01-01, the time of everything inside
SEARCH_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
ACCOUNTS = "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534::/:/bin/false\n"


@dataclass(frozen=True, slots=True)
class Image:
    """What goes into an image. Paths inside are absolute; `files` maps them to paths here, `trees` are folders as they are."""

    name: str  # with registry and tag: "registry.k8s.io/pause:3.10.2"
    files: Mapping[str, str] = field(default_factory=dict)
    trees: tuple[str, ...] = ()
    links: Mapping[str, str] = field(default_factory=dict)  # path → target
    scripts: Mapping[str, str] = field(default_factory=dict)  # path → text, executable
    entrypoint: tuple[str, ...] = ()
    aliases: tuple[str, ...] = ()  # further names


def libraries(program: str) -> list[str]:
    """The shared libraries and the loader of a program; none for a static one."""
    listed = subprocess.run(["ldd", program], capture_output=True, text=True, check=False).stdout
    return re.findall(r"(?:=> |^\s+)(/\S+) \(0x", listed, re.MULTILINE)


class _Layer:
    """A tar that never holds a path twice and makes parents as needed."""

    def __init__(self, target: BinaryIO) -> None:
        self.tar = tarfile.TarFile(fileobj=target, mode="w", format=tarfile.PAX_FORMAT)
        self.seen: set[str] = set()

    def _entry(self, path: str, kind: bytes, mode: int) -> tarfile.TarInfo:
        self.seen.add(path)
        entry = tarfile.TarInfo(path.lstrip("/"))
        entry.type, entry.mode, entry.mtime, entry.uname, entry.gname = kind, mode, EPOCH, "root", "root"
        return entry

    def directory(self, path: str) -> None:
        if path in self.seen or path == "/":
            return
        self.directory(os.path.dirname(path))
        self.tar.addfile(self._entry(path, tarfile.DIRTYPE, 0o1777 if path == "/tmp" else 0o755))

    def text(self, path: str, content: str, mode: int) -> None:
        self.directory(os.path.dirname(path))
        entry = self._entry(path, tarfile.REGTYPE, mode)
        entry.size = len(content.encode())
        self.tar.addfile(entry, io.BytesIO(content.encode()))

    def link(self, path: str, to: str) -> None:
        self.directory(os.path.dirname(path))
        entry = self._entry(path, tarfile.SYMTYPE, 0o777)
        entry.linkname = to
        self.tar.addfile(entry)

    def file(self, path: str, source: str) -> None:
        if path in self.seen:
            return
        self.directory(os.path.dirname(path))
        real = os.path.realpath(source)
        entry = self._entry(path, tarfile.REGTYPE, os.stat(real).st_mode & 0o777)
        entry.size = os.path.getsize(real)
        with open(real, "rb") as content:
            self.tar.addfile(entry, content)
        for library in libraries(real):
            self.file(library, library)


def write_layer(image: Image, target: BinaryIO) -> None:
    """Write the image's only layer, an uncompressed tar."""
    layer = _Layer(target)
    for path in ("/tmp", "/etc", "/var/run", "/proc", "/sys", "/dev"):
        layer.directory(path)
    layer.text("/etc/passwd", ACCOUNTS, 0o644)
    for path, source in sorted(image.files.items()):
        layer.file(path, source)
    for tree in image.trees:
        for folder, folders, names in os.walk(tree):
            folders.sort()
            for name in sorted(names):
                layer.file(os.path.join(folder, name), os.path.join(folder, name))
    for path, content in sorted(image.scripts.items()):
        layer.text(path, content, 0o755)
    for path, to in sorted(image.links.items()):
        layer.link(path, to)
    layer.tar.close()


def _json(value: object) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


def _blob(media_type: str, data: bytes) -> dict[str, Any]:
    return {"mediaType": media_type, "digest": f"sha256:{hashlib.sha256(data).hexdigest()}", "size": len(data)}


def write_archive(image: Image, target: Path) -> None:
    """Write the image as an OCI layout in a tar."""
    kind = "application/vnd.oci.image."
    architecture = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
    created = "2020-01-01T00:00:00Z"
    with tempfile.TemporaryFile(dir=target.parent) as layer:
        write_layer(image, layer)
        size = layer.tell()
        layer.seek(0)
        digest = f"sha256:{hashlib.file_digest(layer, 'sha256').hexdigest()}"
        layer.seek(0)
        config = _json(
            {
                "architecture": architecture,
                "created": created,
                "os": "linux",
                "config": {
                    "Env": [f"PATH={SEARCH_PATH}"],
                    "WorkingDir": "/",
                    **({"Entrypoint": image.entrypoint} if image.entrypoint else {}),
                },
                "rootfs": {"type": "layers", "diff_ids": [digest]},
                "history": [{"created": created, "created_by": "pykubeadm lab"}],
            }
        )
        described = _blob(f"{kind}config.v1+json", config)
        manifest = _json(
            {
                "schemaVersion": 2,
                "mediaType": f"{kind}manifest.v1+json",
                "config": described,
                "layers": [{"mediaType": f"{kind}layer.v1.tar", "digest": digest, "size": size}],
            }
        )
        entry = _blob(f"{kind}manifest.v1+json", manifest)
        index = _json(
            {
                "schemaVersion": 2,
                "mediaType": f"{kind}index.v1+json",
                "manifests": [
                    {
                        **entry,
                        "platform": {"architecture": architecture, "os": "linux"},
                        "annotations": {
                            "io.containerd.image.name": name,
                            "org.opencontainers.image.ref.name": name.rpartition(":")[2],
                        },
                    }
                    for name in (image.name, *image.aliases)
                ],
            }
        )
        with tarfile.open(target, "w", format=tarfile.PAX_FORMAT) as archive:
            blobs = {entry["digest"]: manifest, described["digest"]: config}
            texts = {"oci-layout": _json({"imageLayoutVersion": "1.0.0"}), "index.json": index}
            texts |= {f"blobs/sha256/{name.removeprefix('sha256:')}": data for name, data in blobs.items()}
            for path, data in texts.items():
                _member(archive, path, len(data), io.BytesIO(data))
            _member(archive, f"blobs/sha256/{digest.removeprefix('sha256:')}", size, layer)


def _member(archive: tarfile.TarFile, path: str, size: int, content: Any) -> None:
    entry = tarfile.TarInfo(path)
    entry.size, entry.mtime, entry.mode = size, EPOCH, 0o644
    archive.addfile(entry, content)


def dump(images: Iterable[Image]) -> str:
    """The images as the JSON that this module's command reads."""
    return json.dumps([asdict(image) for image in images])


def main(folder: str) -> None:
    """`oci.py FOLDER <IMAGES.json`: write FOLDER/0.tar, FOLDER/1.tar, … and print each name as it is done."""
    for number, fields in enumerate(json.load(sys.stdin)):
        fields["trees"], fields["aliases"] = tuple(fields["trees"]), tuple(fields["aliases"])
        target = Path(folder) / f"{number}.tar"
        write_archive(Image(**fields), target)
        print(target, flush=True)


if __name__ == "__main__":
    main(sys.argv[1])
