"""Removes the data of this node's etcd member: where this node's own etcd.yaml or our journal says they are, and never while a
process has them open."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator
from typing import Final

from pykubeadm.commands.reset.run import ResetRun
from pykubeadm.config.model import LocalEtcd
from pykubeadm.constants import MANIFESTS_DIR
from pykubeadm.errors import NodeError
from pykubeadm.node.port import Command

MANIFEST: Final = f"{MANIFESTS_DIR}/etcd.yaml"
# etcd's own; put aside by `join`; copied there by kubeadm's upgrade when it goes back to an older etcd.
_DATA: Final = ("member", "member-removed-", "kubeadm-backup-etcd-")
_LOG_FILES: Final = (".wal", ".wal.broken", ".tmp", ".lock")  # etcd: server/storage/wal, with --wal-dir
_LOCKED: Final = 1  # flock(1)


def remove_etcd(run: ResetRun) -> Iterator[str]:
    """The data, then what would say that there is a member. Everything else in the same directories stays."""
    data = [*_data(run)]
    if data and not run.dry_run and (holder := _holder(run, data)):
        raise NodeError(f"{', '.join(data)} stays: {holder} has it open; stop it, then run this again")
    etcd = run.found.etcd
    pair = [f"{etcd.certificates_dir}/peer.{kind}" for kind in ("crt", "key")] if etcd else []
    yield from (f"removed {path}" for path in run.node.remove([*data, *pair, MANIFEST]))


def _data(run: ResetRun) -> Iterator[str]:
    directory, logs = _directories(run)
    for name in run.node.list_dir(directory) if directory else ():
        if name == _DATA[0] or name.startswith(_DATA[1:]):
            yield posixpath.join(directory, name)
    for name in run.node.list_dir(logs) if logs else ():
        if name.endswith(_LOG_FILES):
            yield posixpath.join(logs, name)


def _directories(run: ResetRun) -> tuple[str, str]:
    """Of the data, and of the write-ahead log where that is apart; "" where there is none."""
    etcd = run.found.etcd
    ours = LocalEtcd().data_dir if run.journal.owns(MANIFEST) else ""
    return (etcd.data_dir or ours, etcd.wal_dir) if etcd else (ours, "")


def _holder(run: ResetRun, paths: list[str]) -> str:
    """A process that has one of the files open, as "etcd (process 17)"; "" where there is none."""
    script = 'for path; do find /proc/[0-9]*/fd -lname "$(readlink -f "$path")*" -printf "%h\\n" 2>/dev/null; done | head -n 1'
    found = run.node.run(Command.look_up(("sh", "-c", script, "sh", *paths), "look for open files")).stdout
    pid = found.strip().removeprefix("/proc/").removesuffix("/fd")
    if pid:
        command = (run.node.read(f"/proc/{pid}/comm") or b"").decode(errors="replace").strip()
        return f"{command or 'a process'} (process {pid})"
    return "an etcd" if any(_is_locked(run, f"{path}/snap/db") for path in paths) else ""


def _is_locked(run: ResetRun, database: str) -> bool:
    """Whether an etcd runs on the database, which it locks: one in a container may have it open under another path."""
    if run.node.stat(database) is None:
        return False
    locking = ("flock", "--nonblock", database, "true")
    return run.node.run(Command.look_up(locking, "look whether etcd's database is in use")).status == _LOCKED
