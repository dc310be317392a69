"""The log file of a run: every event, and every change and command on every machine, with secrets masked."""

from __future__ import annotations

import os
import secrets
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any, cast

from pykubeadm.errors import NodeError
from pykubeadm.node.port import Command, Completed, Directory, File, Node, Unit, UnitState
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

_LINES = 20  # of a command's output
_WIDTH = 300


class RunLog:
    """Appends lines to a file that only its owner may read; made when the first one comes. Threads may share it."""

    def __init__(self, path: str) -> None:
        self.path = path
        self._began = time.monotonic()
        self._lock = threading.Lock()
        self._descriptor = -1
        self._without_secrets = Redactor((), secrets.token_bytes(16))

    def line(self, host: str, text: str) -> None:
        """A line, or several that belong together, of a host ("" for the whole run)."""
        stamp = f"{datetime.now(UTC).isoformat(timespec='seconds')} +{time.monotonic() - self._began:.3f}s {host or '-'} "
        lines = self._without_secrets(text).splitlines() or [""]
        content = "".join(f"{stamp}{line}\n" if at == 0 else f"    {line}\n" for at, line in enumerate(lines))
        with self._lock:
            if self._descriptor < 0:
                os.makedirs(os.path.dirname(self.path), mode=0o700, exist_ok=True)
                flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
                self._descriptor = os.open(self.path, flags, 0o600)
            os.write(self._descriptor, content.encode(errors="backslashreplace"))

    def keeping(self, emit: Subscriber) -> Subscriber:
        """`emit`, with every event written down first."""

        def both(event: Event) -> None:
            for host, text in _lines_of(event):
                self.line(host, text)
            emit(event)

        return both


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
    return cast("Node", _Logged(inner, host, log))


class _Logged:
    """Whatever only reads goes to the node itself."""

    def __init__(self, inner: Node, host: str, log: RunLog) -> None:
        self._inner = inner
        self._host = host
        self._log = log

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def write(self, files: Sequence[File | Directory]) -> tuple[str, ...]:
        changed = self._inner.write(files)
        self._log.line(self._host, f"write {', '.join(file.path for file in files)}: changed {', '.join(changed) or 'nothing'}")
        return changed

    def save(self, path: str, chunks: Iterable[bytes], mode: int) -> int:
        size = self._inner.save(path, chunks, mode)
        self._log.line(self._host, f"save {path}: {size} bytes")
        return size

    def remove(self, paths: Sequence[str]) -> tuple[str, ...]:
        removed = self._inner.remove(paths)
        if removed:
            self._log.line(self._host, f"remove {', '.join(removed)}")
        return removed

    def run(self, command: Command) -> Completed:
        began = time.monotonic()
        try:
            completed = self._inner.run(command)
        except NodeError as error:
            self._log.line(self._host, f"$ {command}\n{error}")
            raise
        output = "\n".join(line[:_WIDTH] for line in (completed.stdout + completed.stderr).splitlines()[:_LINES])
        self._log.line(self._host, f"$ {command} → {completed.status} ({time.monotonic() - began:.2f}s)\n{output}".rstrip())
        return completed

    def ensure_unit(self, unit: Unit, *, known: UnitState | None = None) -> tuple[str, ...]:
        actions = self._inner.ensure_unit(unit, known=known)
        if actions:
            self._log.line(self._host, f"unit {unit.name}: {', '.join(actions)}")
        return actions
