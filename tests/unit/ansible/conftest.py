"""The collection's own modules, importable as Ansible imports them."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

_HOME = Path(tempfile.mkdtemp(prefix="pykubeadm-collection-"))
(_HOME / "ansible_collections" / "pykubeadm").mkdir(parents=True)
(_HOME / "ansible_collections" / "pykubeadm" / "kube").symlink_to(Path(__file__).resolve().parents[3])
sys.path.insert(0, str(_HOME))


def pytest_unconfigure():
    for path in (_HOME / "ansible_collections" / "pykubeadm" / "kube",):
        path.unlink(missing_ok=True)
    for path in (_HOME / "ansible_collections" / "pykubeadm", _HOME / "ansible_collections", _HOME):
        path.rmdir()
