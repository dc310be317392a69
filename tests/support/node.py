"""A node in memory for unit tests: files in a dict, commands by script, units by name."""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import cache

from pykubeadm.errors import NodeError
from pykubeadm.node import health, systemd
from pykubeadm.node.files import normal
from pykubeadm.node.outcome import checked
from pykubeadm.node.port import Command, Completed, Directory, File, FileStat, HealthEndpoint, Unit, UnitState
from pykubeadm.transport.route import DIRECT, Route
from tests.support.systemctl import Systemctl

Answer = Completed | Callable[[Command], Completed]

_UNIT_FILES = "/etc/systemd/system"
_MAX_LINKS = 40  # as the kernel: path_resolution(7)


def completed(stdout: str = "", status: int = 0, stderr: str = "") -> Completed:
    """What a scripted command answers."""
    return Completed(status, stdout, stderr)


@dataclass
class FakeNode:
    """Implements the `Node` port. `commands` maps the beginning of a command line ("crictl info") to its answer, the longest
    match counts; any other command ends with status 127. `ran` holds every command, `unit_actions` what was done to units.
    `links` maps symbolic links to where they lead. Parents of what is in `files` are there."""

    name: str = "fake"
    dry_run: bool = False
    files: dict[str, File | Directory] = field(default_factory=dict)
    links: dict[str, str] = field(default_factory=dict)
    sockets: set[str] = field(default_factory=set)
    commands: dict[str, Answer] = field(default_factory=dict)
    units: dict[str, UnitState] = field(default_factory=dict)
    ran: list[Command] = field(default_factory=list)
    unit_actions: list[tuple[str, str]] = field(default_factory=list)
    route: Route = DIRECT
    remote: bool = False
    held_for: list[str] = field(default_factory=list)  # whoever had the lock
    _parents: set[str] = field(default_factory=set)  # directories that were made on the way to files

    def put(self, path: str, content: str | bytes = b"", mode: int = 0o644) -> None:
        """Have a file there from the start."""
        self.write([File(path, content.encode() if isinstance(content, str) else content, mode)])

    def text(self, path: str) -> str:
        """A file's content; KeyError where there is none."""
        entry = self.files[path]
        if isinstance(entry, Directory):
            raise NodeError(f"{path} is a directory")
        return entry.content.decode()

    def read(self, path: str) -> bytes | None:
        at = self._resolve(path)
        entry = self.files.get(at)
        if isinstance(entry, File):
            return entry.content
        found = self.stat(at)
        if found is not None:
            raise NodeError(f"cannot read {path}: it is a {found.kind}")
        return None

    def stat(self, path: str) -> FileStat | None:
        path = self._resolve(path, follow=False)
        if path in self.links:
            return _stat("link", 0o777, 0, 0)
        if path in self.sockets:
            return _stat("socket", 0o660, 0, 0)
        entry = self.files.get(path)
        if isinstance(entry, File):
            return _stat("file", entry.mode, entry.uid, entry.gid, len(entry.content))
        if isinstance(entry, Directory):
            return _stat("directory", entry.mode, entry.uid, entry.gid)
        return _MADE if path in self._parents or self._holds(path) else None

    def read_part(self, path: str, start: int, size: int) -> bytes | None:
        content = self.read(path)
        return None if content is None else content[start : start + size]

    def list_dir(self, path: str) -> tuple[str, ...]:
        at = self._resolve(path)
        found = self.stat(at)
        if found is not None and found.kind != "directory":
            raise NodeError(f"cannot list {path}: it is a {found.kind}")
        return self._below(at)

    @contextmanager
    def exclusive(self, purpose: str) -> Iterator[None]:
        self.held_for.append(purpose)
        yield

    def now(self) -> datetime:
        return datetime.now(UTC)

    def ahead(self, **_wanted: object) -> FakeNode:
        return self

    def unhealthy(self, endpoints: Sequence[HealthEndpoint], patience: float = 0.0) -> tuple[str, ...]:
        """One look, whatever the patience."""
        return tuple(health.look(endpoint, {}) for endpoint in endpoints)

    def present(self, paths: Sequence[str], patience: float = 0.0) -> bool:
        """One look, whatever the patience."""
        return all(self.stat(self._resolve(path)) is not None for path in paths)

    def write(self, files: Sequence[File | Directory]) -> tuple[str, ...]:
        for file in files:
            self._check_way(file)
        changed = [file.path for file in files if self._write(replace(file, path=self._resolve(file.path)))]
        return tuple(dict.fromkeys(changed))

    def save(self, path: str, chunks: Iterable[bytes], mode: int) -> int:
        content = b"".join(chunks)
        self.write([File(path, content, mode)])
        return len(content)

    def remove(self, paths: Sequence[str]) -> tuple[str, ...]:
        removed = []
        for path in paths:
            at = self._resolve(path, follow=False)
            if self.stat(at) is None:
                continue
            self._parents.update(_above(at))
            for kept in (self.files, self.links):
                for gone in [other for other in kept if _is_in(other, at)]:
                    del kept[gone]
            for paths_only in (self.sockets, self._parents):
                paths_only.difference_update([other for other in paths_only if _is_in(other, at)])
            removed.append(path)
        return tuple(removed)

    def run(self, command: Command) -> Completed:
        self.ran.append(command)
        line = str(command)
        known = [start for start in self.commands if line == start or line.startswith(f"{start} ")]
        answer = self.commands[max(known, key=len)] if known else Completed(127, stderr=f"{command.argv[0]}: command not found")
        return checked(self.name, command, answer if isinstance(answer, Completed) else answer(command))

    def unit(self, name: str) -> UnitState:
        return systemd.show(self._systemctl, name)

    def ensure_unit(self, unit: Unit, *, known: UnitState | None = None) -> tuple[str, ...]:
        actions = systemd.ensure(self._systemctl, unit, known)
        self.unit_actions.extend((unit.name, action) for action in actions)
        return actions

    def _systemctl(self, command: Command) -> Completed:
        systemctl = Systemctl(self.units, installed=lambda: self._below(_UNIT_FILES))
        return checked(self.name, command, systemctl(command))

    def _check_way(self, file: File | Directory) -> None:
        wanted, at = _kind(file), self._resolve(file.path)
        for path, kind in ((at, wanted), *((path, "directory") for path in _above(at))):
            found = self.stat(path)
            if found is not None and found.kind != kind:
                raise NodeError(f"cannot write {file.path}: {path} is a {found.kind}")

    def _write(self, file: File | Directory) -> bool:
        self._parents.update(_above(file.path))
        same = self.stat(file.path) == _stat(_kind(file), file.mode, file.uid, file.gid)
        if same and (isinstance(file, Directory) or self.read(file.path) == file.content):
            return False
        self.files[file.path] = file
        return True

    def _holds(self, path: str) -> bool:
        """Whether anything is below the path."""
        every = "\n".join(("", *self.files, *self.links, *self.sockets))
        return f"\n{path.rstrip('/')}/" in every

    def _below(self, path: str) -> tuple[str, ...]:
        prefix = path.rstrip("/") + "/"
        every = (*self.files, *self.links, *self.sockets, *self._parents)
        return tuple(sorted({other[len(prefix) :].split("/")[0] for other in every if other.startswith(prefix)} - {""}))

    def _resolve(self, path: str, *, follow: bool = True) -> str:
        """Where links lead. (".." is taken before links, other than by the kernel.)"""
        at = _normal(path)
        if not self.links:
            return at
        for _ in range(_MAX_LINKS):
            link = next((link for link in self.links if at.startswith(f"{link}/") or (follow and at == link)), None)
            if link is None:
                return at
            at = normal(posixpath.join(posixpath.dirname(link), self.links[link]) + at[len(link) :])
        raise NodeError(f"cannot look at {path}: its symbolic links lead in a circle")


def copy_of(node: FakeNode) -> FakeNode:
    """Another node with the same files, units and scripts."""
    return replace(
        node,
        files=dict(node.files),
        links=dict(node.links),
        sockets=set(node.sockets),
        commands=dict(node.commands),
        units=dict(node.units),
        ran=[],
        unit_actions=[],
        held_for=[],
        _parents=set(node._parents),
    )


def _kind(entry: File | Directory) -> str:
    return "file" if isinstance(entry, File) else "directory"


# Tests look at the same few hundred paths hundreds of thousands of times.
_normal = cache(normal)
_stat = cache(FileStat)
_MADE = _stat("directory", 0o755, 0, 0)


@cache
def _above(path: str) -> tuple[str, ...]:
    """The directories above `path`, but for the root."""
    above = posixpath.dirname(path)
    return () if above == "/" else (above, *_above(above))


def _is_in(path: str, directory: str) -> bool:
    return path == directory or path.startswith(f"{directory}/")
