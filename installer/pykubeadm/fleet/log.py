"""The log file of a run: every event, and every change, command and task on every machine, with all output and masked secrets."""

from __future__ import annotations

import hashlib
import os
import secrets
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, cast

from pykubeadm.errors import NodeError
from pykubeadm.node.port import Command, Completed, Directory, File, Looked, Node, Unit, UnitState
from pykubeadm.util.redact import Redactor
from pykubeadm.workflow.events import (
    Event,
    NodeProgress,
    Note,
    Planned,
    RunFinished,
    RunStarted,
    Subscriber,
)

if TYPE_CHECKING:
    from pykubeadm.ansible.results import PlaybookEvent

_MOST: Final = 1 << 20  # characters of a command's output; of a longer one the first and the last half as many
_AHEAD: Final = 64  # texts that may wait to be written


class RunLog:
    """Appends lines to a file that only its owner may read; made when the first one comes. Threads may share it.

    Another thread takes out secrets and writes, so that nobody waits for that. Where the file cannot be written, the run goes on
    without it: `problem` says why then. `known` are values that are secret wherever they stand."""

    def __init__(self, path: str, known: Iterable[str] = ()) -> None:
        self.path = path
        self.problem = ""
        self._began = time.monotonic()
        self._lock = threading.Lock()
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="log")
        self._waiting: deque[Future[None]] = deque()
        self._descriptor = -1
        self._salt, self._known = secrets.token_bytes(16), list[str]()
        self.hide(known)

    def hide(self, values: Iterable[str]) -> None:
        """Have these values taken out, too, of what comes from now on."""
        self._known += values
        self._without_secrets = Redactor((value.encode() for value in self._known), self._salt)

    @property
    def made(self) -> bool:
        """Whether there is such a file."""
        return self._descriptor >= 0

    def line(self, host: str, text: str) -> None:
        """A line, or several that belong together, of a host ("" for the whole run)."""
        stamp = f"{datetime.now(UTC).isoformat(timespec='seconds')} +{time.monotonic() - self._began:.3f}s {host or '-'} "
        with self._lock:
            self._waiting.append(self._writer.submit(self._write, stamp, text))
            oldest = self._waiting.popleft() if len(self._waiting) > _AHEAD else None
        if oldest:
            oldest.result()

    def flush(self) -> None:
        """Wait until all lines are written."""
        with self._lock:
            waiting, self._waiting = self._waiting, deque()
        for each in waiting:
            each.result()

    def _write(self, stamp: str, text: str) -> None:
        if self.problem:
            return
        lines = self._without_secrets(text).splitlines() or [""]
        content = "".join(f"{stamp}{line}\n" if at == 0 else f"    {line}\n" for at, line in enumerate(lines))
        try:
            if self._descriptor < 0:
                os.makedirs(os.path.dirname(self.path), mode=0o700, exist_ok=True)
                flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
                self._descriptor = os.open(self.path, flags, 0o600)
            os.write(self._descriptor, content.encode(errors="backslashreplace"))
        except OSError as error:
            self.problem = f"the log {self.path} could not be written: {error.strerror}"

    def keeping(self, emit: Subscriber) -> Subscriber:
        """`emit`, with every event written down first."""

        def both(event: Event) -> None:
            for host, text in _lines_of(event):
                self.line(host, text)
            emit(event)

        return both

    def keeping_tasks(self, report: Callable[[PlaybookEvent], None]) -> Callable[[PlaybookEvent], None]:
        """The same for what comes of a playbook: each task that was not skipped, on each machine."""
        from pykubeadm.ansible.results import TaskEnded

        def both(event: PlaybookEvent) -> None:
            if isinstance(event, TaskEnded) and event.outcome != "skipped":
                said = (event.message if event.outcome != "ok" else "", ", ".join(event.changes), bounded(event.output))
                task = f"[{event.role_name or 'ansible'}] {event.task}: {event.outcome} ({event.seconds:.2f}s)"
                self.line(event.host, "\n".join([task, *filter(None, said)]))
            report(event)

        return both


def bounded(output: str) -> str:
    """The output, cut between two lines where it is too long: half a secret would not be recognized as one."""
    if len(output) <= _MOST:
        return output
    head, tail = output[: _MOST // 2].rpartition("\n")[0], output[-_MOST // 2 :].partition("\n")[2]
    return f"{head}\n[{len(output) - len(head) - len(tail)} characters are left out here]\n{tail}"


def log_path(command: str) -> str:
    """Where the log of a run of this command goes, that begins now: below $XDG_STATE_HOME, or ~/.local/state."""
    state = os.environ.get("XDG_STATE_HOME") or os.path.expanduser("~/.local/state")
    now = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    return os.path.join(state, "pykubeadm", f"{command.replace(' ', '-')}-{now}-{os.getpid()}.log")


def _lines_of(event: Event) -> Iterator[tuple[str, str]]:
    match event:
        case NodeProgress():
            seconds = f" ({event.seconds:.1f}s)" if event.seconds else ""
            changes = "".join(f"\n{change}" for change in event.changes)
            yield event.node, f"[{event.step or 'all'}] {event.outcome} {event.message}{seconds}{changes}".rstrip()
        case Note():
            yield event.topic, f"{event.level}: {event.message}"
        case Planned():
            yield "", event.text
        case RunStarted():
            yield "", f"{event.command} on {event.node}"
        case RunFinished():
            yield "", f"{event.outcome}, {event.changed} changes, exit status {event.exit_status}"


def logged(inner: Node, host: str, log: RunLog) -> Node:
    """`inner`, with what is run and changed there written down. Content of files is not."""
    return cast("Node", _Logged(inner, host, log, {}))


class _Logged:
    """Whatever only reads goes to the node itself. `before` has what stands for the last output of each command."""

    def __init__(self, inner: Node | Looked, host: str, log: RunLog, before: dict[str, bytes]) -> None:
        self._inner: Any = inner
        self._host = host
        self._log = log
        self._before = before

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def ahead(self, *, read: Sequence[str] = (), stat: Sequence[str] = (), run: Sequence[Command] = ()) -> Looked:
        return cast("Looked", _Logged(self._inner.ahead(read=read, stat=stat, run=run), self._host, self._log, self._before))

    def write(self, files: Sequence[File | Directory]) -> tuple[str, ...]:
        changed: tuple[str, ...] = self._inner.write(files)
        self._log.line(self._host, f"write {', '.join(file.path for file in files)}: changed {', '.join(changed) or 'nothing'}")
        return changed

    def save(self, path: str, chunks: Iterable[bytes], mode: int) -> int:
        size: int = self._inner.save(path, chunks, mode)
        self._log.line(self._host, f"save {path}: {size} bytes")
        return size

    def remove(self, paths: Sequence[str]) -> tuple[str, ...]:
        removed: tuple[str, ...] = self._inner.remove(paths)
        if removed:
            self._log.line(self._host, f"remove {', '.join(removed)}")
        return removed

    def run(self, command: Command) -> Completed:
        began = time.monotonic()
        try:
            completed: Completed = self._inner.run(command)
        except NodeError as error:
            self._log.line(self._host, f"$ {command}\n{error}")
            raise
        ended = f"$ {command} → {completed.status} ({time.monotonic() - began:.2f}s)"
        self._log.line(self._host, f"{ended}{self._output(command, completed)}")
        return completed

    def _output(self, command: Command, completed: Completed) -> str:
        """Of one that is run again and again until something comes, what it says is written down where it is something else."""
        parts = ("", completed.stdout.rstrip("\n")), ("[stderr]\n", completed.stderr.rstrip("\n"))
        said = "\n".join(f"{title}{bounded(text)}" for title, text in parts if text)
        digest = hashlib.sha256(said.encode(errors="replace")).digest()
        if not said or self._before.get(str(command)) == digest:
            return ", with the same output as before" if said else ""
        self._before[str(command)] = digest
        return f"\n{said}"

    def ensure_unit(self, unit: Unit, *, known: UnitState | None = None) -> tuple[str, ...]:
        actions: tuple[str, ...] = self._inner.ensure_unit(unit, known=known)
        if actions:
            self._log.line(self._host, f"unit {unit.name}: {', '.join(actions)}")
        return actions
