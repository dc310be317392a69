"""Removes the users and groups of a rootless control plane, as kubeadm's reset does (feature gate RootlessControlPlane)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from pykubeadm.commands.reset.run import ResetRun
from pykubeadm.manifests.rootless import without_accounts
from pykubeadm.node.port import File

ACCOUNT_FILES: Final = ("/etc/passwd", "/etc/group")


def remove_accounts(run: ResetRun) -> Iterator[str]:
    texts = [_text(run, path) for path in ACCOUNT_FILES]
    for path, before, after in zip(ACCOUNT_FILES, texts, without_accounts(*texts), strict=True):
        stat = run.node.stat(path)
        if before != after and stat is not None:
            run.node.write([File(path, after.encode(errors="surrogateescape"), stat.mode, stat.uid, stat.gid)])
            yield f"removed the control plane's accounts from {path}"


def _text(run: ResetRun, path: str) -> str:
    return (run.node.read(path) or b"").decode(errors="surrogateescape")
