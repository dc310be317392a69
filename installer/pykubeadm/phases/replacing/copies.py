"""Copies of what is about to change, below kubeadm's directory for them; the newest of ours are kept."""

from __future__ import annotations

import posixpath
from collections.abc import Sequence
from typing import Final

from pykubeadm.errors import PhaseError
from pykubeadm.node.port import Directory, File
from pykubeadm.phases.replacing.record import TMP_DIR
from pykubeadm.phases.replacing.run import ReplacingRun
from pykubeadm.phases.static_pods.manifests import manifest_path

KEPT: Final = 5  # directories of each kind that are ours


def copy_manifests(run: ReplacingRun, names: Sequence[str], place: str = "") -> str:
    """The directory with the manifests of these components: a new one, or `place`."""
    return copy_files(run, "kubeadm-backup-manifests", [manifest_path(name) for name in names], place)


def copy_files(run: ReplacingRun, kind: str, paths: Sequence[str], place: str = "") -> str:
    """A new directory of this kind, or `place`, with the files, which have to be there."""
    place = place or new_directory(run, kind)
    files: list[File | Directory] = []
    for path in paths:
        content = run.node.read(path)
        if content is None:
            raise PhaseError(f"{path} is gone; put it back, then run this again")
        files.append(File(f"{place}/{posixpath.basename(path)}", content, 0o600))
    run.node.write(files)
    remove_oldest(run, kind, place)
    return place


def new_directory(run: ReplacingRun, kind: str) -> str:
    """Made as kubeadm calls it, with the time at its end (kubeadm: constants.CreateTimestampDir)."""
    place = f"{TMP_DIR}/{kind}-{run.now():%Y-%m-%d-%H-%M-%S}"
    run.node.write([Directory(TMP_DIR, 0o700), Directory(place, 0o700)])
    return place


def remove_oldest(run: ReplacingRun, kind: str, place: str) -> None:
    """But never `place`, which is the newest whatever its name says: the clock may have been ahead. Those that other tools made
    stay."""
    owned = {posixpath.dirname(path) for path in run.journal.owned()}
    places = [f"{TMP_DIR}/{name}" for name in run.node.list_dir(TMP_DIR) if name.startswith(f"{kind}-")]
    ours = sorted((path for path in places if path in owned), key=lambda path: (path == place, path))
    run.node.remove(ours[:-KEPT])
