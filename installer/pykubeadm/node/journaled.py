"""A node that enters every change in the journal before it happens, and whose files of others are not replaced."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from datetime import datetime

from pykubeadm.constants import STATE_DIR
from pykubeadm.errors import PhaseError
from pykubeadm.node.journal import Journal
from pykubeadm.node.port import Command, Completed, Directory, File, FileStat, HealthEndpoint, Looked, Node, Unit, UnitState
from pykubeadm.transport.route import Route

# The system's, to which lines are added; and our own directory.
_ADDED_TO = ("/etc/passwd", "/etc/group")


class JournaledNode:
    """`inner` with the journal kept; what the phases get.

    A file that the journal does not know as ours is used where it holds what is to be written, and not replaced unless it
    `replaces`, as a renewal does: `write` raises PhaseError before anything of its batch is changed."""

    def __init__(self, inner: Node, journal: Journal) -> None:
        self._inner = inner
        self._journal = journal

    @property
    def name(self) -> str:
        return self._inner.name

    @property
    def dry_run(self) -> bool:
        return self._inner.dry_run

    @property
    def remote(self) -> bool:
        return self._inner.remote

    @property
    def route(self) -> Route:
        return self._inner.route

    def now(self) -> datetime:
        return self._inner.now()

    def exclusive(self, purpose: str) -> AbstractContextManager[None]:
        return self._inner.exclusive(purpose)

    def ahead(self, *, read: Sequence[str] = (), stat: Sequence[str] = (), run: Sequence[Command] = ()) -> Looked:
        return self._inner.ahead(read=read, stat=stat, run=run)

    def unhealthy(self, endpoints: Sequence[HealthEndpoint], patience: float = 0.0) -> tuple[str, ...]:
        return self._inner.unhealthy(endpoints, patience)

    def present(self, paths: Sequence[str], patience: float = 0.0) -> bool:
        return self._inner.present(paths, patience)

    def read(self, path: str) -> bytes | None:
        return self._inner.read(path)

    def stat(self, path: str) -> FileStat | None:
        return self._inner.stat(path)

    def read_part(self, path: str, start: int, size: int) -> bytes | None:
        return self._inner.read_part(path, start, size)

    def list_dir(self, path: str) -> tuple[str, ...]:
        return self._inner.list_dir(path)

    def write(self, files: Sequence[File | Directory]) -> tuple[str, ...]:
        unknown = [file for file in files if isinstance(file, File) and not self._may_be_written(file)]
        paths = [file.path for file in unknown]
        there = self._inner.ahead(read=paths, stat=paths)
        if others := [file.path for file in unknown if _is_another(there, file)]:
            raise PhaseError(
                f"{', '.join(others)} on this node {'is' if len(others) == 1 else 'are'} not what is to be written there, and "
                f"{self._journal.why_not()}, so nothing is replaced: move away what is there, then run this again"
            )
        self._journal.will_write(files)
        return self._inner.write(files)

    def _may_be_written(self, file: File) -> bool:
        """Whatever lies there."""
        ours = self._journal.owns(file.path) or file.path.startswith(f"{STATE_DIR}/")
        return file.replaces or ours or file.path in _ADDED_TO

    def save(self, path: str, chunks: Iterable[bytes], mode: int) -> int:
        self._journal.will_write([File(path, b"", mode, replaces=self._inner.stat(path) is not None)])
        return self._inner.save(path, chunks, mode)

    def remove(self, paths: Sequence[str]) -> tuple[str, ...]:
        removed = self._inner.remove(paths)
        self._journal.forget(removed)
        return removed

    def run(self, command: Command) -> Completed:
        return self._inner.run(command)

    def unit(self, name: str) -> UnitState:
        return self._inner.unit(name)

    def ensure_unit(self, unit: Unit, *, known: UnitState | None = None) -> tuple[str, ...]:
        if unit.state in ("started", "restarted"):
            self._journal.will_start(unit.name)
        actions = self._inner.ensure_unit(unit, known=known)
        if unit.state == "stopped" and unit.enabled is False:
            self._journal.forget_unit(unit.name)
        return actions


def _is_another(node: Looked, file: File) -> bool:
    """Whether another file than that lies there."""
    stat = node.stat(file.path)
    if stat is None or stat.kind not in ("file", "link"):
        return False  # nothing, or what cannot be replaced by a file: writing says so
    present = node.read(file.path)
    return present is not None and present != file.content
