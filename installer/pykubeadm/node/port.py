"""The `Node` port. Phases know only this; `LocalNode` acts on this machine (below another root with --rootfs), `SshNode` on
another one, `RecordingNode` (--dry-run) answers reads from another node and keeps what would have been changed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import field
from datetime import datetime
from typing import TYPE_CHECKING, Literal, Protocol

from pykubeadm.transport.route import Route
from pykubeadm.util.dataclass import dataclass

if TYPE_CHECKING:
    from typing import Self


@dataclass(frozen=True)
class File:
    """A file as it shall be. `secret` content is masked in dry runs and events. `mode` holds from the first byte on."""

    path: str
    content: bytes = field(repr=False)
    mode: int = 0o644
    uid: int = 0
    gid: int = 0
    secret: bool = False
    replaces: bool = field(default=False, compare=False)  # also what others put there, as the user asked for


@dataclass(frozen=True)
class Directory:
    """A directory as it shall be; parents are made with mode 0755."""

    path: str
    mode: int = 0o755
    uid: int = 0
    gid: int = 0


@dataclass(frozen=True)
class FileStat:
    """What lstat(2) says. `kind` is "file", "directory", "link", "socket" or "other"."""

    kind: str
    mode: int
    uid: int
    gid: int
    size: int = field(default=0, compare=False)  # of a file, in bytes


@dataclass(frozen=True)
class Command:
    """A command to be run to its end, without a shell.

    `summary` says in words what it is for (errors, dry runs): "load the images". `changes=False` marks a pure look-up, which dry
    runs execute too. With `check`, a status other than 0 is a NodeError. `stdin` is the place for secrets: unlike `argv` it is
    never shown, and without it the command reads nothing. `env` comes on top of the node's environment; `timeout` is in seconds.
    """

    argv: tuple[str, ...]
    summary: str = ""
    changes: bool = True
    check: bool = True
    stdin: bytes | None = field(default=None, repr=False)
    env: Mapping[str, str] = field(default_factory=dict, repr=False, hash=False)
    timeout: float = 60.0

    @classmethod
    def look_up(cls, argv: tuple[str, ...], summary: str, *, timeout: float = 60.0) -> Self:
        """A command that changes nothing and of which every status is an answer."""
        return cls(argv, summary, changes=False, check=False, timeout=timeout)

    def __str__(self) -> str:
        return " ".join(self.argv)


@dataclass(frozen=True)
class Completed:
    """How a command ended."""

    status: int
    stdout: str = ""
    stderr: str = ""


@dataclass(frozen=True)
class UnitState:
    """systemd's view of a unit (systemctl show): "loaded"/"not-found"/…, "active"/"failed"/…, "enabled"/"disabled"/…"""

    load: str
    active: str
    sub: str
    enabled: str
    result: str = ""
    restarts: int = 0
    needs_reload: bool = False  # its files changed since systemd read them


@dataclass(frozen=True)
class Unit:
    """A systemd unit as it shall be, `state` in the words of Ansible's systemd module: "restarted" also where it runs already.
    None leaves it as it is."""

    name: str
    enabled: bool | None = True
    state: Literal["started", "restarted", "stopped"] | None = "started"


@dataclass(frozen=True)
class HealthEndpoint:
    """Where a program of a node says by HTTP whether it is healthy. `ca`, PEM, is whom to trust; empty for whoever answers, to
    whom nothing secret may be shown. `certificate` and `key`, PEM, are shown to the server where they are not empty."""

    url: str
    ca: bytes = field(default=b"", repr=False)
    certificate: bytes = field(default=b"", repr=False)
    key: bytes = field(default=b"", repr=False)


class Looked(Protocol):
    """What can be asked of a machine. Paths are absolute. Every method may raise NodeError with a sentence naming node and path
    or command."""

    @property
    def name(self) -> str:
        """The name for messages: host name or "this node"."""

    def read(self, path: str) -> bytes | None:
        """The file's content, None where it does not exist."""

    def stat(self, path: str) -> FileStat | None:
        """None where nothing exists at `path`."""

    def list_dir(self, path: str) -> tuple[str, ...]:
        """Sorted entry names; () where the directory does not exist."""

    def run(self, command: Command) -> Completed:
        """Run a command to its end. A status ≠ 0 that it must not have is a NodeError that quotes the last lines of stderr. A
        command that does not exist ends with status 127."""

    def unit(self, name: str) -> UnitState:
        """The state of a systemd unit; load="not-found" where there is none, or no systemd."""


class Node(Looked, Protocol):
    """A machine. One that is reached over a network needs a round trip for each call, and takes calls of several threads at a
    time."""

    @property
    def dry_run(self) -> bool:
        """True where changes are only recorded, so that waits for their effects must not be tried."""

    @property
    def remote(self) -> bool:
        """Whether it is another machine than the one that we run on: neither pykubeadm nor Ansible is there."""

    @property
    def route(self) -> Route:
        """How servers are reached from this node."""

    def now(self) -> datetime:
        """What the node's clock shows, in UTC."""

    def exclusive(self, purpose: str) -> AbstractContextManager[None]:
        """Hold the node's lock, that no two pykubeadm change it at a time; LockedError names who else holds it and what for."""

    def ahead(self, *, read: Sequence[str] = (), stat: Sequence[str] = (), run: Sequence[Command] = ()) -> Looked:
        """The machine as it is now, for whoever is about to ask all this, in one round trip; where asking costs nothing, the node
        itself. Commands are look-ups. Whatever else it is asked for it finds out when it is asked."""

    def read_part(self, path: str, start: int, size: int) -> bytes | None:
        """At most `size` bytes of a file from byte `start` on, fewer at its end; None where it does not exist."""

    def unhealthy(self, endpoints: Sequence[HealthEndpoint], patience: float = 0.0) -> tuple[str, ...]:
        """Of each endpoint, asked from the node itself, the reason why it does not answer 200, "" where it does. They are asked
        again until all do, for at most `patience` seconds."""

    def present(self, paths: Sequence[str], patience: float = 0.0) -> bool:
        """Whether there is something at each of `paths`, links followed; waited for, for at most `patience` seconds."""

    # changing
    def write(self, files: Sequence[File | Directory]) -> tuple[str, ...]:
        """Make the files be as given, each replaced atomically (a reader sees the old or the new content, never a part;
        durable after a power cut). Files that are so already are left alone. Returns the paths that changed."""

    def save(self, path: str, chunks: Iterable[bytes], mode: int) -> int:
        """Keep in a file, root's own, what `chunks` give, which need not fit into memory; the number of bytes. In place at once
        and durable when all are there: an error that `chunks` raise leaves what was there."""

    def remove(self, paths: Sequence[str]) -> tuple[str, ...]:
        """Remove files, links and whole directories; what is not there is no error. Returns the paths that were there."""

    # units
    def ensure_unit(self, unit: Unit, *, known: UnitState | None = None) -> tuple[str, ...]:
        """Have a unit enabled or disabled, started, restarted or stopped (before a start with daemon-reload where its files
        changed). A missing unit is stopped and disabled already. `known` is its state where that was asked for just now, which
        takes systemd 10 ms each time. Returns what was done: any of "enabled", "disabled", "started", "restarted", "stopped";
        () where there is no systemd."""
