"""Unmounts what the kubelet mounted for pods. What cannot be unmounted keeps its data."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator
from typing import Final

from pykubeadm.commands.reset.run import ResetRun
from pykubeadm.constants import KUBELET_DIR
from pykubeadm.node.port import Command, Node

# umount2(2) as kubeadm's unmountFlags name it → umount(8). There is no option for MNT_EXPIRE, which only marks at the first call.
_OPTIONS: Final = {"MNT_FORCE": "--force", "MNT_DETACH": "--lazy", "UMOUNT_NOFOLLOW": "--no-canonicalize"}
_TIMEOUT: Final = 120.0  # seconds; a server of volumes that is gone is waited for by the kernel


def mounts_below(node: Node, directory: str) -> tuple[str, ...]:
    """Mount points below the directory (not itself), the last mounted first; proc(5) writes blanks and backslashes in octal."""
    found = []
    for line in (node.read("/proc/mounts") or b"").decode(errors="surrogateescape").splitlines():
        fields = line.split(" ")
        if len(fields) > 1:
            point = fields[1]
            for code, character in (("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")):
                point = point.replace(code, character)
            if point.startswith(f"{directory}/"):
                found.append(point)
    return tuple(reversed(found))


def kubelet_directory(node: Node) -> str:
    """/var/lib/kubelet, or where links lead instead: the kernel names mounts by their real paths."""
    found = node.run(Command.look_up(("readlink", "-f", KUBELET_DIR), "follow links"))
    return found.stdout.strip() or KUBELET_DIR


def unmount(run: ResetRun) -> Iterator[str]:
    directory = kubelet_directory(run.node)
    points = mounts_below(run.node, directory)
    if not points:
        return
    options = [_OPTIONS[flag] for flag in run.reset.unmount_flags if flag in _OPTIONS]
    argv = ("umount", *options, "--", *points)
    run.node.run(Command(argv, "unmount the volumes of pods", check=False, timeout=_TIMEOUT))
    left = () if run.dry_run else mounts_below(run.node, directory)
    yield from (f"unmounted {point}" for point in points if point not in left)


def removable(node: Node, path: str, mounts: tuple[str, ...]) -> Iterator[str]:
    """`path`, or where something is mounted at or below it, everything in it that is apart from that."""
    if path in mounts:
        return
    if not any(point.startswith(f"{path}/") for point in mounts):
        yield path
        return
    for name in node.list_dir(path):
        yield from removable(node, posixpath.join(path, name), mounts)
