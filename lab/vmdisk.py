"""Disks of virtual machines: a node image (`nodeimage.py`) with a kernel, as one ext4 file system, no boot loader.

A disk is made once per recipe and kept in the cache with its kernel and a tiny initrd: machines start from overlays of it.
Kubernetes' programs and images can lie on it already.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from lab import engine, imagestore
from lab.assets import Assets
from lab.host import ARCH, CACHE, FILES, STATE, LabError, docker, locked, require_commands, run
from lab.node import COMMANDS
from lab.nodeimage import NodeImage, proxies, words

DISKS = CACHE / "lab" / "vm"
SIZE = "20G"  # sparse: a new disk takes 1–3 GB
INGREDIENTS = ("vm-packages", "vm-setup", "vm-initrd")


@dataclass(frozen=True, slots=True)
class Disk:
    """What a machine boots from: `root` is a raw image of an ext4 file system."""

    folder: Path

    @property
    def kernel(self) -> Path:
        return self.folder / "vmlinuz"

    @property
    def initrd(self) -> Path:
        return self.folder / "initrd"

    @property
    def root(self) -> Path:
        return self.folder / "root.raw"


def ensure(image: NodeImage, assets: Sequence[Assets] = (), *, programs_in: str = "/usr/bin") -> Disk:
    """Make the disk unless it is there, in about a minute. Needs root.

    The programs of `assets[0]` are in the folder `programs_in`, the images of all in containerd's store (also where containerd is
    still to be installed).
    """
    if ARCH != "amd64":
        raise LabError(f"the lab's virtual machines are amd64 ones; this machine is {ARCH}")
    require_commands("mkfs.ext4")
    engine.ensure()
    image.ensure()
    store = imagestore.ensure(NodeImage(image.system, "ready"), assets) if assets else None
    programs = [program for name in COMMANDS if assets and (program := assets[0].program(name))]
    recipe = hashlib.sha256(f"{image.tag} {store and store.name} {programs_in} {SIZE}".encode())
    for path in (*(FILES / name for name in INGREDIENTS), Path(__file__)):
        recipe.update(path.read_bytes())
    for program in programs:
        recipe.update(f"{program.stat().st_size} {program.stat().st_mtime_ns}".encode())
    disk = Disk(DISKS / f"{image.system}-{image.flavour}-{recipe.hexdigest()[:12]}")
    with locked("vm"):
        if not disk.folder.is_dir():
            _make(disk, image, store, programs, programs_in)
    return disk


def remove_all() -> None:
    """Remove every disk; each is made again in about half a minute."""
    shutil.rmtree(DISKS, ignore_errors=True)


def _make(disk: Disk, image: NodeImage, store: Path | None, programs: Sequence[Path], programs_in: str) -> None:
    run(["mkdir", "-p", STATE / "build"], root=True)
    tree = Path(run(["mktemp", "-d", "-p", STATE / "build"], root=True).stdout.strip())
    scratch = disk.folder.with_suffix(".part")
    run(["rm", "-rf", scratch], root=True)
    scratch.mkdir(parents=True)
    new = Disk(scratch)
    try:
        _unpack(image, tree)
        _run_inside(tree, "vm-setup", words("vm-packages"))
        if store is not None:
            imagestore.copy(store, tree / "var/lib/containerd")
        if programs:
            run(["install", "-D", "-m", "0755", "-t", tree / programs_in.lstrip("/"), *programs], root=True)
        for name in ("vmlinuz", "initrd"):
            run(["install", "-m", "0644", "-o", str(os.getuid()), tree / "boot/vm" / name, scratch / name], root=True)
        run(["truncate", "-s", SIZE, new.root])
        run(["mkfs.ext4", "-q", "-F", "-d", tree, new.root], root=True, timeout=300)
        scratch.rename(disk.folder)
    finally:
        run(["rm", "-rf", tree, scratch], root=True, check=False, timeout=120)


def data_disk(target: Path, folders: Mapping[str, Path]) -> None:
    """Make an ext4 image of copies of `folders`, each at its path below the root."""
    with tempfile.TemporaryDirectory(dir=target.parent) as tree:
        for path, folder in folders.items():
            shutil.copytree(folder, Path(tree) / path, symlinks=True, dirs_exist_ok=True)
        run(["truncate", "-s", "1G", target])
        run(["mkfs.ext4", "-q", "-F", "-d", tree, "-E", "root_owner=0:0", target], timeout=120)


def _unpack(image: NodeImage, tree: Path) -> None:
    container = docker("create", image.tag)
    try:
        # As one pipe with docker's end inside it: root's own, since an engine answers root in any case.
        extract = f"docker export {container} | tar -C {tree} --numeric-owner -x"
        run(["bash", "-o", "pipefail", "-c", extract], root=True, timeout=300)
    finally:
        docker("rm", container, check=False)


def _run_inside(tree: Path, script: str, arguments: Sequence[str]) -> None:
    """Run a script with the tree as its root, the host's network and, at /tmp/lab, the lab's files."""
    inside = """set -eu
tree=$1 files=$2 script=$3; shift 3
mount -t proc proc "$tree/proc"; mount --rbind /dev "$tree/dev"; mkdir "$tree/tmp/lab"; mount --bind "$files" "$tree/tmp/lab"
[ -L "$tree/etc/resolv.conf" ] || cat /etc/resolv.conf >"$tree/etc/resolv.conf"
chroot "$tree" "/tmp/lab/$script" "$@"
umount "$tree/tmp/lab"; rmdir "$tree/tmp/lab"
"""
    isolated = ["env", *proxies(), "unshare", "--mount", "--pid", "--fork"]
    run([*isolated, "sh", "-c", inside, "inside", tree, FILES, script, *arguments], root=True, timeout=900)
