"""Whether what an upgrade writes fits: copies of manifests and certificates, a snapshot of etcd beside its data."""

from __future__ import annotations

from pykubeadm.constants import KUBERNETES_DIR
from pykubeadm.node.port import Command, Node
from pykubeadm.phases.preflight.check import Check, Findings
from pykubeadm.phases.replacing.record import TMP_DIR

_COPIES = 16 * 1024 * 1024  # manifests, certificates, configuration: some hundred KiB
_MIB = 1024 * 1024


def disk_checks(node: Node, data_dir: str) -> tuple[Check, ...]:
    """`data_dir` is etcd's, "" where none runs on the node."""
    return (Check("DiskSpace", lambda _machine: disk_space(node, data_dir)),)


def disk_space(node: Node, data_dir: str) -> Findings:
    """For the copies and a snapshot as large as etcd's data, and beside these for what a restore makes of it. What lies in one
    file system is added up."""
    copies = TMP_DIR if node.stat(TMP_DIR) else KUBERNETES_DIR
    size = (_used(node, data_dir) if data_dir else None) or 0
    needed: dict[str, tuple[str, int, int]] = {}  # file system → one of the paths, free and needed bytes
    for path, bytes_ in ((copies, _COPIES + size), (data_dir, size)):
        found = _free(node, path) if bytes_ else None
        if found is not None:
            place, free = found
            first, _free_there, before = needed.get(place, (path, free, 0))
            needed[place] = first, free, before + bytes_
    return Findings(
        errors=tuple(
            f"{path} has {free // _MIB} MiB left, and an upgrade may need {bytes_ // _MIB} MiB there: free some space"
            for path, free, bytes_ in needed.values()
            if free < bytes_
        )
    )


def _free(node: Node, path: str) -> tuple[str, int] | None:
    """The file system in which `path` is, and the bytes that are left there; None where that cannot be said."""
    done = node.run(Command.look_up(("df", "--output=target,avail", "--block-size=1", path), "see how much space is left"))
    place, _, free = done.stdout.strip().rpartition("\n")[2].rpartition(" ")
    return (place.strip(), int(free)) if done.status == 0 and free.isdigit() else None


def _used(node: Node, path: str) -> int | None:
    done = node.run(Command.look_up(("du", "--summarize", "--block-size=1", f"{path}/member/snap"), "see how much etcd holds"))
    first = done.stdout.split()[:1]
    return int(first[0]) if done.status == 0 and first and first[0].isdigit() else None
