"""A node in memory for unit tests: files in a dict, commands by script, units by name."""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from pykubeadm.errors import NodeError
from pykubeadm.node import systemd
from pykubeadm.node.port import Completed, Directory, File, FileStat, UnitState

Answer = Completed | Callable[[tuple[str, ...]], Completed]


def completed(stdout: str = "", status: int = 0, stderr: str = "") -> Completed:
    """What a scripted command answers; its argv is filled in by the node."""
    return Completed((), status, stdout, stderr)


@dataclass
class FakeNode:
    """Implements the `Node` port. `commands` maps the beginning of a command line ("crictl info") to its answer, the longest
    match counts; any other command ends with status 127. `ran` holds (argv, changes) of every command."""

    name: str = "fake"
    dry_run: bool = False
    files: dict[str, File | Directory] = field(default_factory=dict)
    sockets: set[str] = field(default_factory=set)
    commands: dict[str, Answer] = field(default_factory=dict)
    units: dict[str, UnitState] = field(default_factory=dict)
    ran: list[tuple[tuple[str, ...], bool]] = field(default_factory=list)
    unit_actions: list[tuple[str, str]] = field(default_factory=list)

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
        entry = self.files.get(posixpath.normpath(path))
        if isinstance(entry, Directory):
            raise NodeError(f"cannot read {path}: it is a directory")
        return entry.content if entry else None

    def stat(self, path: str) -> FileStat | None:
        path = posixpath.normpath(path)
        if path in self.sockets:
            return FileStat("socket", 0o660, 0, 0)
        entry = self.files.get(path)
        if isinstance(entry, File):
            return FileStat("file", entry.mode, entry.uid, entry.gid)
        if isinstance(entry, Directory):
            return FileStat("directory", entry.mode, entry.uid, entry.gid)
        return FileStat("directory", 0o755, 0, 0) if self.list_dir(path) else None

    def list_dir(self, path: str) -> tuple[str, ...]:
        prefix = posixpath.normpath(path).rstrip("/") + "/"
        return tuple(
            sorted({other[len(prefix) :].split("/")[0] for other in (*self.files, *self.sockets) if other.startswith(prefix)})
        )

    def write(self, files: Sequence[File | Directory]) -> tuple[str, ...]:
        changed = [file.path for file in files if self.files.get(posixpath.normpath(file.path)) != file]
        self.files.update({posixpath.normpath(file.path): file for file in files})
        return tuple(dict.fromkeys(changed))

    def remove(self, paths: Sequence[str]) -> tuple[str, ...]:
        removed = [path for path in paths if self.stat(path) is not None]
        for path in removed:
            self.files = {other: file for other, file in self.files.items() if other != path and not other.startswith(f"{path}/")}
        return tuple(removed)

    def run(
        self,
        argv: Sequence[str],
        *,
        summary: str = "",
        changes: bool = True,
        check: bool = True,
        stdin: bytes | None = None,
        env: Mapping[str, str] | None = None,
        timeout: float = 60.0,
    ) -> Completed:
        line = " ".join(argv)
        self.ran.append((tuple(argv), changes))
        known = [start for start in self.commands if line == start or line.startswith(f"{start} ")]
        answer = self.commands[max(known, key=len)] if known else completed("", 127, f"{argv[0]}: command not found")
        if not isinstance(answer, Completed):
            answer = answer(tuple(argv))
        if check and answer.status != 0:
            raise NodeError(f"`{line}` on {self.name} ended with status {answer.status}: {answer.stderr}")
        return Completed(tuple(argv), answer.status, answer.stdout, answer.stderr)

    def stream(self, argv: Sequence[str], *, timeout: float = 60.0) -> Iterator[str]:
        yield from self.run(argv, changes=False).stdout.splitlines()

    def unit(self, name: str) -> UnitState:
        return self.units.get(name, systemd.NOT_FOUND)

    def ensure_unit(
        self, name: str, *, enabled: bool = True, running: bool = True, restart: bool = False, known: UnitState | None = None
    ) -> tuple[str, ...]:
        actions = systemd.planned(known or self.unit(name), enabled=enabled, running=running, restart=restart)
        self.unit_actions.extend((name, action) for action in actions)
        self.units[name] = UnitState(load="loaded", active="active", sub="running", enabled="enabled")
        return actions
