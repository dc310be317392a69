"""Copies of files that are about to be replaced, in our own directory, each renewal's below its time."""

from __future__ import annotations

from collections.abc import Iterable

from pykubeadm.constants import STATE_DIR
from pykubeadm.node.port import Directory, File, Node
from pykubeadm.phases.run import Run

BACKUPS = f"{STATE_DIR}/backup"
KEPT = 5  # of the newest; keys that are no longer in use shall not pile up


def back_up(run: Run, paths: Iterable[str], place: str = "") -> str:
    """Copy the files that exist to a new directory (or `place`), which is returned, and remove the oldest of earlier ones: never
    this one, whatever the clock said when those got their names."""
    place = place or f"{BACKUPS}/certs-{run.now():%Y%m%dT%H%M%SZ}"
    files: list[File | Directory] = [Directory(STATE_DIR, 0o700), Directory(BACKUPS, 0o700), Directory(place, 0o700)]
    for path in paths:
        content = run.node.read(path)
        if content is not None:
            files.append(File(f"{place}{path}", content, 0o600, secret=True))
    run.node.write(files)
    every = [f"{BACKUPS}/{name}" for name in run.node.list_dir(BACKUPS) if name.startswith("certs-")]
    unfinished = [path for path in every if _is_unfinished(run.node, path)]
    finished = sorted((path for path in every if path not in unfinished), key=lambda path: (path == place, path))
    run.node.remove([*unfinished, *finished[:-KEPT]])
    return place


def _is_unfinished(node: Node, directory: str) -> bool:
    """Whether files are there under the names that begin with a dot, which they have until they are whole."""
    for name in node.list_dir(directory):
        path = f"{directory}/{name}"
        stat = node.stat(path)
        if name.startswith(".") or (stat is not None and stat.kind == "directory" and _is_unfinished(node, path)):
            return True
    return False
