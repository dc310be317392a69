"""This machine, or a file tree on it (--rootfs)."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, suppress
from datetime import datetime, timezone
from typing import TYPE_CHECKING

from pykubeadm.errors import NodeError
from pykubeadm.node import files, lock, systemd
from pykubeadm.node.outcome import checked
from pykubeadm.node.port import Command, Completed, Directory, File, FileStat, HealthEndpoint, Unit, UnitState
from pykubeadm.transport.route import DIRECT, Route

if TYPE_CHECKING:
    from typing import Self

_SYSTEM_PATH = ("/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin")

_running: set[subprocess.Popen[bytes]] = set()  # commands whose end a thread waits for


def end_commands() -> None:
    """Kill the commands that other threads wait for: after an interrupt nobody wants their outcome."""
    for process in tuple(_running):
        _kill_group(process)


class LocalNode:
    """The machine we run on. With another `root` every path is taken below it and commands run in it by chroot(8); units
    are systemd's and belong to the machine, so in another root there are none."""

    dry_run = False

    def __init__(self, root: str = "/", *, name: str = "this node") -> None:
        """`name` is the machine's in messages."""
        self.root = os.path.realpath(root)
        self._name = name
        if not os.path.isdir(self.root):
            raise NodeError(f"the root directory {root} does not exist; create it first")

    @property
    def name(self) -> str:
        return self._name if self.root == "/" else f"the tree below {self.root}"

    @property
    def remote(self) -> bool:
        return False

    @property
    def route(self) -> Route:
        return DIRECT

    def now(self) -> datetime:
        return datetime.now(timezone.utc)

    def exclusive(self, purpose: str) -> AbstractContextManager[None]:
        return lock.exclusive(self.root, purpose)

    def read(self, path: str) -> bytes | None:
        return files.read(self.root, path)

    def stat(self, path: str) -> FileStat | None:
        return files.status(self.root, path)

    def read_part(self, path: str, start: int, size: int) -> bytes | None:
        return files.read_part(self.root, path, start, size)

    def list_dir(self, path: str) -> tuple[str, ...]:
        return files.entries(self.root, path)

    def ahead(self, *, read: Sequence[str] = (), stat: Sequence[str] = (), run: Sequence[Command] = ()) -> Self:
        return self

    def unhealthy(self, endpoints: Sequence[HealthEndpoint], patience: float = 0.0) -> tuple[str, ...]:
        from pykubeadm.node import health  # with all of HTTP

        return health.unhealthy(endpoints, patience)

    def present(self, paths: Sequence[str], patience: float = 0.0) -> bool:
        return files.present(self.root, paths, patience)

    def write(self, wanted: Sequence[File | Directory]) -> tuple[str, ...]:
        return files.replace(self.root, wanted)

    def save(self, path: str, chunks: Iterable[bytes], mode: int) -> int:
        return files.save(self.root, path, chunks, mode)

    def remove(self, paths: Sequence[str]) -> tuple[str, ...]:
        return files.remove(self.root, paths)

    def run(self, command: Command) -> Completed:
        return checked(self.name, command, self._run(command))

    def _run(self, command: Command) -> Completed:
        source = subprocess.DEVNULL if command.stdin is None else subprocess.PIPE
        try:
            process = self._start(command.argv, command.env, stdin=source)
        except (FileNotFoundError, NotADirectoryError):
            return Completed(127, stderr=f"{command.argv[0]}: command not found")
        except OSError as error:
            return Completed(126, stderr=f"{command.argv[0]}: {error.strerror}")
        _running.add(process)
        with process:
            try:
                stdout, stderr = process.communicate(command.stdin, command.timeout)
            except subprocess.TimeoutExpired:
                _kill_group(process)
                raise NodeError(f"`{command}` on {self.name} did not end within {command.timeout:g} s and was killed") from None
            except BaseException:
                _kill_group(process)
                raise
            finally:
                _running.discard(process)
        return Completed(process.returncode, stdout.decode(errors="replace"), stderr.decode(errors="replace"))

    def unit(self, name: str) -> UnitState:
        return systemd.show(self.run, name) if self._has_systemd() else systemd.NOT_FOUND

    def ensure_unit(self, unit: Unit, *, known: UnitState | None = None) -> tuple[str, ...]:
        """() where systemd does not run or this is another root: whoever started the machine so runs the kubelet otherwise."""
        return systemd.ensure(self.run, unit, known) if self._has_systemd() else ()

    def _has_systemd(self) -> bool:
        return self.root == "/" and os.path.isdir("/run/systemd/system")  # sd_booted(3)

    def _start(self, argv: tuple[str, ...], env: Mapping[str, str], *, stdin: int) -> subprocess.Popen[bytes]:
        variables = {name: value for name, value in os.environ.items() if name != "LANGUAGE" and not name.startswith("LC_")}
        path = dict.fromkeys([*filter(None, variables.get("PATH", "").split(":")), *_SYSTEM_PATH])
        variables |= {"LC_ALL": "C", "PATH": ":".join(path)} | dict(env)
        command = argv if self.root == "/" else ("chroot", self.root, *argv)
        # A session of its own: at a timeout the whole group is killed, and Ctrl-C reaches us and not half of a pipeline.
        return subprocess.Popen(
            command, stdin=stdin, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=variables, cwd="/", start_new_session=True
        )


def _kill_group(process: subprocess.Popen[bytes]) -> None:
    if process.returncode is None:  # not reaped, so the number is still its own
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
