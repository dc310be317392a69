"""The lock where it cannot be opened. (That it holds is tested with every node that has one: tests/contract.)"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pykubeadm.errors import NodeError
from pykubeadm.node.lock import exclusive


def refuse(monkeypatch: pytest.MonkeyPatch, error: OSError) -> None:
    def makedirs(_path: str, **_named: object) -> None:
        raise error

    monkeypatch.setattr(os, "makedirs", makedirs)


def test_an_ordinary_user_needs_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    refuse(monkeypatch, PermissionError(13, "Permission denied"))
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with exclusive(str(tmp_path), "certs generate-csr"):
        pass


@pytest.mark.parametrize(
    ("user", "error"), [(0, PermissionError(13, "Permission denied")), (1000, OSError(30, "Read-only file system"))]
)
def test_anything_else_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, user: int, error: OSError) -> None:
    refuse(monkeypatch, error)
    monkeypatch.setattr(os, "geteuid", lambda: user)
    with pytest.raises(NodeError, match=f"cannot open the lock .*: {error.strerror}"), exclusive(str(tmp_path), "init"):
        pass
