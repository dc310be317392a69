"""Dry runs: a node that keeps what would be changed, and what was kept in words."""

from __future__ import annotations

import difflib
import errno
import os
import posixpath
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import field
from datetime import datetime
from itertools import groupby
from typing import Self

from pykubeadm.node import systemd
from pykubeadm.node.files import explained, has_owner, normal
from pykubeadm.node.local import LocalNode
from pykubeadm.node.port import Command, Completed, Directory, File, FileStat, HealthEndpoint, Node, Unit, UnitState
from pykubeadm.transport.route import Route
from pykubeadm.util.dataclass import dataclass

# What must not be shown even where a writer forgot to call the file secret: PEM private keys, kubeconfig credentials.
_SECRET = re.compile(rb"PRIVATE KEY-----|^\s*(?:client-key-data|token|password):\s*\S", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class FileChange:
    """A file or directory that would be written. `old` is the present content, None where there is none; `new` is None
    for a directory."""

    phase: str
    path: str
    mode: int
    old: bytes | None = field(repr=False)
    new: bytes | None = field(repr=False)
    secret: bool


@dataclass(frozen=True, slots=True)
class Removal:
    phase: str
    path: str


@dataclass(frozen=True, slots=True)
class CommandRun:
    """A command that would be run."""

    phase: str
    command: Command


@dataclass(frozen=True, slots=True)
class UnitChange:
    """What would be done to a systemd unit: what `Node.ensure_unit` returns."""

    phase: str
    unit: str
    actions: tuple[str, ...]


Recorded = FileChange | Removal | CommandRun | UnitChange


class RecordingNode:
    """Reads come from `inner` with the recorded changes over them; changes are only kept, in `entries`. Whoever runs the
    phases sets `phase`, under whose name they are kept."""

    dry_run = True

    def __init__(self, inner: Node) -> None:
        self._inner = inner
        self._overlay: dict[str, File | Directory | None] = {}  # None: removed, with all below it
        self._units: dict[str, UnitState] = {}
        self.entries: list[Recorded] = []
        self.phase = ""

    @property
    def name(self) -> str:
        return self._inner.name

    @property
    def remote(self) -> bool:
        return self._inner.remote

    @property
    def route(self) -> Route:
        return self._inner.route

    def now(self) -> datetime:
        return self._inner.now()

    def exclusive(self, purpose: str) -> AbstractContextManager[None]:
        """Nothing is changed, so others may be at work."""
        return nullcontext()

    def ahead(self, *, read: Sequence[str] = (), stat: Sequence[str] = (), run: Sequence[Command] = ()) -> Self:
        return self

    def unhealthy(self, endpoints: Sequence[HealthEndpoint], patience: float = 0.0) -> tuple[str, ...]:
        return self._inner.unhealthy(endpoints, patience)

    def present(self, paths: Sequence[str], patience: float = 0.0) -> bool:
        return all(self.stat(path) is not None for path in paths)

    def read(self, path: str) -> bytes | None:
        found, entry = self._recorded(path)
        if not found:
            return self._inner.read(path)
        if isinstance(entry, Directory):
            with explained("read", path):
                raise IsADirectoryError(errno.EISDIR, "")
        return entry.content if entry else None

    def stat(self, path: str) -> FileStat | None:
        found, entry = self._recorded(path)
        if not found:
            return self._inner.stat(path)
        if entry is None:
            return None
        if isinstance(entry, Directory):
            return FileStat("directory", entry.mode, entry.uid, entry.gid)
        return FileStat("file", entry.mode, entry.uid, entry.gid, len(entry.content))

    def read_part(self, path: str, start: int, size: int) -> bytes | None:
        if not self._recorded(path)[0]:
            return self._inner.read_part(path, start, size)
        content = self.read(path)
        return None if content is None else content[start : start + size]

    def list_dir(self, path: str) -> tuple[str, ...]:
        path = normal(path)
        found, entry = self._recorded(path)
        if isinstance(entry, File):
            with explained("list", path):
                raise NotADirectoryError(errno.ENOTDIR, "")
        names = set(self._inner_names(path) if found else self._inner.list_dir(path)) if entry or not found else set()
        prefix = path.rstrip("/") + "/"
        for other in list(self._overlay):
            if other.startswith(prefix):
                name = other[len(prefix) :].split("/")[0]
                if self.stat(prefix + name) is None:
                    names.discard(name)
                else:
                    names.add(name)
        return tuple(sorted(names))

    def write(self, files: Sequence[File | Directory]) -> tuple[str, ...]:
        changed = []
        for file in files:
            self._check_way(file)
        for file in files:
            path = normal(file.path)
            present = self.stat(path)
            old = self.read(path) if isinstance(file, File) else None
            if present is not None and _same(present, old, file):
                continue
            secret = isinstance(file, File) and (file.secret or _SECRET.search(file.content) is not None)
            new = file.content if isinstance(file, File) else None
            self.entries.append(FileChange(self.phase, path, file.mode, old, new, secret))
            self._record_parents(path)
            self._overlay[path] = file
            changed.append(file.path)
        return tuple(dict.fromkeys(changed))

    def save(self, path: str, chunks: Iterable[bytes], mode: int) -> int:
        content = b"".join(chunks)
        self.write([File(path, content, mode, secret=True)])
        return len(content)

    def remove(self, paths: Sequence[str]) -> tuple[str, ...]:
        removed = []
        for given in paths:
            path = normal(given)
            if self.stat(path) is None:
                continue
            self.entries.append(Removal(self.phase, path))
            for below in [other for other in self._overlay if other.startswith(f"{path}/")]:
                del self._overlay[below]
            self._overlay[path] = None
            removed.append(given)
        return tuple(removed)

    def run(self, command: Command) -> Completed:
        if not command.changes:
            return self._inner.run(command)
        self.entries.append(CommandRun(self.phase, command))
        return Completed(0)

    def unit(self, name: str) -> UnitState:
        return self._units.get(systemd.unit_name(name)) or self._inner.unit(name)

    def ensure_unit(self, unit: Unit, *, known: UnitState | None = None) -> tuple[str, ...]:
        name = systemd.unit_name(unit.name)
        state = known or self.unit(name)
        actions = systemd.planned(state, unit)
        if actions:
            self._units[name] = systemd.after(state, actions)
            self.entries.append(UnitChange(self.phase, name, actions))
        return actions

    def _recorded(self, path: str) -> tuple[bool, File | Directory | None]:
        """Whether a recorded change says what is at `path` (itself, or the removal of a directory above it), and what."""
        path = normal(path)
        if path in self._overlay:
            return True, self._overlay[path]
        above = posixpath.dirname(path)
        while above != "/":
            if above in self._overlay and self._overlay[above] is None:
                return True, None
            above = posixpath.dirname(above)
        return False, None

    def _inner_names(self, path: str) -> tuple[str, ...]:
        """What is in a directory below the overlay; () where that hides something else than a directory."""
        found = self._inner.stat(path)
        return self._inner.list_dir(path) if found and found.kind == "directory" else ()

    def _check_way(self, file: File | Directory) -> None:
        """NodeError where something else stands at the path, or a file where one of its directories must be."""
        path = normal(file.path)
        with explained("write", file.path):
            present = self.stat(path)
            if present and present.kind == "directory" and isinstance(file, File):
                raise IsADirectoryError(errno.EISDIR, "")
            if present and present.kind == "file" and isinstance(file, Directory):
                raise NotADirectoryError(errno.ENOTDIR, "")
            while (path := posixpath.dirname(path)) != "/":
                above = self.stat(path)
                if above and above.kind == "file":
                    raise NotADirectoryError(errno.ENOTDIR, "")

    def _record_parents(self, path: str) -> None:
        parent = posixpath.dirname(path)
        if parent != "/" and self.stat(parent) is None:
            self._record_parents(parent)
            # What lay below a removed directory must stay hidden when the directory is made again.
            hidden = [f"{parent}/{name}" for name in self._inner_names(parent)]
            self._overlay.update({other: None for other in hidden if other not in self._overlay})
            self._overlay[parent] = Directory(parent)


def render(entries: Sequence[Recorded]) -> str:
    """The plan for people: by phase, new files in full, changed files as a diff, secrets as their size."""
    blocks = []
    for phase, group in groupby(entries, key=lambda entry: entry.phase):
        lines = [line for entry in group for line in _lines(entry)]
        blocks.append("\n".join([f"[{phase}]", *(f"  {line}".rstrip() for line in lines)] if phase else lines))
    return "\n\n".join(blocks) + "\n" if blocks else "nothing would be changed\n"


def save(entries: Sequence[Recorded], directory: str) -> tuple[str, ...]:
    """Keep the files that would be written below `directory` (made with mode 0700), at their own paths and with their own
    modes; the last content where one would be written twice. Returns their paths below `directory`."""
    LocalNode().write([Directory(os.path.abspath(directory), mode=0o700)])
    files: dict[str, File | Directory] = {}
    for entry in entries:
        if isinstance(entry, FileChange):
            kept = Directory(entry.path, entry.mode) if entry.new is None else File(entry.path, entry.new, entry.mode)
            files[entry.path] = kept
        elif isinstance(entry, Removal):
            files = {path: file for path, file in files.items() if path != entry.path and not path.startswith(f"{entry.path}/")}
    return LocalNode(directory).write(list(files.values()))


def _same(present: FileStat, old: bytes | None, wanted: File | Directory) -> bool:
    kind = "file" if isinstance(wanted, File) else "directory"
    if present.kind == "link" and isinstance(wanted, File):
        return old == wanted.content  # written through the link
    return (
        present.kind == kind
        and present.mode == wanted.mode
        and has_owner(present.uid, present.gid, wanted)
        and (isinstance(wanted, Directory) or old == wanted.content)
    )


def _lines(entry: Recorded) -> Iterator[str]:
    match entry:
        case Removal(path=path):
            yield f"remove {path}"
        case CommandRun(command=command):
            yield f"run {command}" + (f"  ({command.summary})" if command.summary else "")
        case UnitChange(unit=unit, actions=actions):
            yield f"systemd unit {unit}: {', '.join(actions)}"
        case FileChange(path=path, mode=mode, new=None):
            yield f"directory {path} (mode {mode:04o})"
        case FileChange(path=path, mode=mode, old=old, new=new, secret=secret) if new is not None:
            what = "create" if old is None else "keep the content of" if old == new else "change"
            yield f"{what} {path} (mode {mode:04o}, {len(new)} bytes{', secret: not shown' if secret else ''})"
            if not secret and old != new:
                yield from _content(old, new)


def _content(old: bytes | None, new: bytes) -> Iterator[str]:
    try:
        after = new.decode().splitlines()
        before = None if old is None or _SECRET.search(old) else old.decode().splitlines()
    except UnicodeDecodeError:
        yield "  (not text)"
        return
    if before is None:
        yield from (f"  | {line}" for line in after)
        return
    for line in list(difflib.unified_diff(before, after, lineterm="", n=3))[2:]:
        yield f"  {line}"
