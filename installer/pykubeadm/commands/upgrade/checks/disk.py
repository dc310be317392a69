"""Whether what an upgrade writes fits: copies of manifests and certificates, a snapshot of etcd beside its data."""

from __future__ import annotations

from pykubeadm.constants import KUBERNETES_DIR
from pykubeadm.node.port import Command, Node
from pykubeadm.phases.preflight.check import Check, Findings

_COPIES = 16 * 1024 * 1024  # manifests, certificates, configuration: some hundred KiB
_MIB = 1024 * 1024


def disk_checks(node: Node, data_dir: str) -> tuple[Check, ...]:
    """`data_dir` is etcd's, "" where none runs on the node."""
    return (Check("DiskSpace", lambda _machine: disk_space(node, data_dir)),)


def disk_space(node: Node, data_dir: str) -> Findings:
    """As much as etcd's data takes, twice: the snapshot, and the data that a restore makes of it."""
    needed = {KUBERNETES_DIR: _COPIES}
    if data_dir and (size := _used(node, data_dir)) is not None:
        needed[data_dir] = 2 * size
    errors = []
    for path, bytes_ in needed.items():
        free = _free(node, path)
        if free is not None and free < bytes_:
            errors.append(f"{path} has {free // _MIB} MiB left, and an upgrade may need {bytes_ // _MIB} MiB: make room")
    return Findings(errors=tuple(errors))


def _free(node: Node, path: str) -> int | None:
    """Bytes that are left where `path` is; None where that cannot be said."""
    done = node.run(Command.look_up(("df", "--output=avail", "--block-size=1", path), "see how much space is left"))
    last = done.stdout.split()[-1:]
    return int(last[0]) if done.status == 0 and last and last[0].isdigit() else None


def _used(node: Node, path: str) -> int | None:
    done = node.run(Command.look_up(("du", "--summarize", "--block-size=1", f"{path}/member/snap"), "see how much etcd holds"))
    first = done.stdout.split()[:1]
    return int(first[0]) if done.status == 0 and first and first[0].isdigit() else None
