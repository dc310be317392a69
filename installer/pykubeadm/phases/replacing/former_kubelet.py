"""The kubelet's files, kept while others take their place, until the kubelet is healthy with those.

What a run that was killed has kept stays: with those files the kubelet was healthy. Upgrades and `reconfigure` each have a place
of their own: of files that go with another kubelet, none is to come back.
"""

from __future__ import annotations

from typing import Final

from pykubeadm.constants import KUBELET_CONFIG, KUBELET_FLAGS_ENV, KUBELET_INSTANCE_CONFIG, STATE_DIR
from pykubeadm.node.port import Directory, File
from pykubeadm.phases.run import Run

OF_UPGRADE: Final = f"{STATE_DIR}/kubelet-before"  # below which the files are at their own paths
OF_RECONFIGURE: Final = f"{STATE_DIR}/kubelet-before-reconfigure"
_FILES: Final = (KUBELET_CONFIG, KUBELET_INSTANCE_CONFIG, KUBELET_FLAGS_ENV)


def keep_kubelet_files(run: Run, place: str) -> None:
    """Copy what is there, and is not kept yet."""
    copies: list[File | Directory] = [Directory(STATE_DIR, 0o700), Directory(place, 0o700)]
    for path in _FILES:
        content = run.node.read(path)
        if content is not None and run.node.stat(f"{place}{path}") is None:
            copies.append(File(f"{place}{path}", content, 0o600))
    run.node.write(copies)


def former_kubelet_files(run: Run, place: str) -> list[File]:
    """Those that are kept, to be put back."""
    files = []
    for path in _FILES:
        content, stat = run.node.read(f"{place}{path}"), run.node.stat(path)
        if content is not None:
            files.append(File(path, content, stat.mode if stat else 0o644, replaces=True))
    return files


def drop_kubelet_files(run: Run, *places: str) -> None:
    """Keep them no longer."""
    run.node.remove(places)
