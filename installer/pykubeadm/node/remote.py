"""A node at the other end of a connection, where a helper answers (`pykubeadm.node.helper`)."""

from __future__ import annotations

import importlib.util
import itertools
import json
import queue
import threading
import time
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import IO, Any

from pykubeadm.errors import LockedError, NodeError
from pykubeadm.node.messages import receive, send
from pykubeadm.node.port import Command, Completed, Directory, File, FileStat, HealthEndpoint, Unit, UnitState
from pykubeadm.transport.route import DIRECT, Route

# What the helper imports, all of it for Python 3.9 and with nothing but the standard library.
HELPER = "pykubeadm.node.helper"
MODULES = (
    "pykubeadm",
    "pykubeadm.constants",
    "pykubeadm.errors",
    "pykubeadm.node",
    "pykubeadm.node.files",
    "pykubeadm.node.health",
    HELPER,
    "pykubeadm.node.local",
    "pykubeadm.node.lock",
    "pykubeadm.node.messages",
    "pykubeadm.node.outcome",
    "pykubeadm.node.port",
    "pykubeadm.node.systemd",
    "pykubeadm.pki",
    "pykubeadm.pki.pem",
    "pykubeadm.pki.tls",
    "pykubeadm.transport",
    "pykubeadm.transport.http",
    "pykubeadm.transport.proxies",
    "pykubeadm.transport.route",
    "pykubeadm.util",
    "pykubeadm.util.base64_text",
    "pykubeadm.util.dataclass",
    "pykubeadm.util.ip",
)
# For `python3 -c`, in single quotes: says which Python it is, and runs what comes on standard input where that is new enough.
STARTER = (
    'import os,sys;os.write(1,b"pykubeadm %d.%d\\n"%sys.version_info[:2]);sys.version_info<(3,9) and sys.exit(1);'
    "s=sys.stdin.buffer;exec(s.read(int(s.readline())))"
)
_HEAR_EVERY = 10.0  # seconds; well below the helper's SILENCE


def payload(name: str) -> bytes:
    """What STARTER reads: the helper of a node that is called `name` in messages."""
    modules, first = _modules()
    start = first + f"\nrun(s, {len(modules)}, {HELPER!r}, {name!r})\n"
    source = start.encode()
    return b"%d\n%b%b" % (len(source), source, modules)


@cache
def _modules() -> tuple[bytes, str]:
    sources = {name: _source(name) for name in MODULES}
    return zlib.compress(json.dumps(sources).encode(), 9), _source("pykubeadm.node.unpack")[0]


def _source(name: str) -> tuple[str, bool]:
    """The source of a module, and whether it is a package."""
    spec = importlib.util.find_spec(name)
    loader: Any = spec and spec.loader
    return str(loader.get_source(name)), bool(loader.is_package(name))


class Seen:
    """A node of which some answers are known already."""

    def __init__(self, node: RemoteNode, answers: Mapping[tuple[str, Any], Mapping[str, Any]]) -> None:
        self._node, self._answers = node, answers

    @property
    def name(self) -> str:
        return self._node.name

    def read(self, path: str) -> bytes | None:
        content: bytes | None = self._known("read", path, self._node.read)
        return content

    def stat(self, path: str) -> FileStat | None:
        found: FileStat | None = self._known("stat", path, self._node.stat)
        return found

    def list_dir(self, path: str) -> tuple[str, ...]:
        return self._node.list_dir(path)

    def run(self, command: Command) -> Completed:
        completed: Completed = self._known("run", command, self._node.run)
        return completed

    def unit(self, name: str) -> UnitState:
        return self._node.unit(name)

    def _known(self, call: str, argument: Any, ask: Callable[[Any], Any]) -> Any:
        answer = self._answers.get((call, argument))
        if answer is None:
            return ask(argument)
        if "error" in answer:
            raise NodeError(str(answer["error"]))
        return answer.get("value")


class RemoteNode:
    """Implements the `Node` port over two streams; threads may share it. `lost` makes the error for when they end, from why
    reading failed, None where it is simply their end."""

    dry_run = False

    def __init__(
        self,
        name: str,
        source: IO[bytes],
        sink: IO[bytes],
        *,
        lost: Callable[[Exception | None], NodeError],
        route: Route = DIRECT,
    ) -> None:
        self._name, self._route = name, route
        self._source, self._sink, self._lost = source, sink, lost
        self._sending = threading.Lock()
        self._numbers = itertools.count(1)
        self._waiting: dict[int, queue.SimpleQueue[dict[str, Any]]] = {}
        self._end: list[Exception | None] = []  # why, once it is there
        self._closing = threading.Event()
        self._ahead = cache(self._clock)
        self.round_trips = 0  # how often an answer was waited for
        threading.Thread(target=self._receive, daemon=True, name=f"answers of {name}").start()
        threading.Thread(target=self._be_heard, daemon=True, name=f"heartbeat of {name}").start()

    @property
    def name(self) -> str:
        return self._name

    @property
    def remote(self) -> bool:
        return True

    @property
    def route(self) -> Route:
        return self._route

    def now(self) -> datetime:
        """By how far its clock was from ours when that was first asked for."""
        return datetime.now(UTC) + self._ahead()

    def _clock(self) -> timedelta:
        asked = time.time()
        there = float(self._call("now"))
        return timedelta(seconds=there - (asked + time.time()) / 2)

    @contextmanager
    def exclusive(self, purpose: str) -> Iterator[None]:
        self._call("lock", purpose)
        try:
            yield
        finally:
            with suppress(NodeError):  # where the connection is gone the lock is, too
                self._call("unlock")

    def read(self, path: str) -> bytes | None:
        content: bytes | None = self._call("read", path)
        return content

    def stat(self, path: str) -> FileStat | None:
        found: FileStat | None = self._call("stat", path)
        return found

    def read_part(self, path: str, start: int, size: int) -> bytes | None:
        content: bytes | None = self._call("read_part", path, start, size)
        return content

    def list_dir(self, path: str) -> tuple[str, ...]:
        return tuple(self._call("list_dir", path))

    def ahead(self, *, read: Sequence[str] = (), stat: Sequence[str] = (), run: Sequence[Command] = ()) -> Seen:
        wanted = {"read": read, "stat": stat, "run": run}
        calls = [(call, argument) for call, arguments in wanted.items() for argument in arguments]
        answers = self._call("many", [(call, [argument]) for call, argument in calls]) if calls else ()
        return Seen(self, dict(zip(calls, answers, strict=True)))

    def unhealthy(self, endpoints: Sequence[HealthEndpoint], patience: float = 0.0) -> tuple[str, ...]:
        return tuple(self._call("unhealthy", endpoints, patience))

    def present(self, paths: Sequence[str], patience: float = 0.0) -> bool:
        return bool(self._call("present", paths, patience))

    def write(self, files: Sequence[File | Directory]) -> tuple[str, ...]:
        return tuple(self._call("write", files))

    def save(self, path: str, chunks: Iterable[bytes], mode: int) -> int:
        with self._asked("save", path, mode) as (number, answers):
            whole = False
            try:
                for chunk in chunks:
                    if "more" not in (answer := answers.get()):
                        answers.put(answer)  # it failed there
                        break
                    self._send({"id": number, "chunk": chunk})
                whole = True
            finally:
                self._send({"id": number, "end": True, "whole": whole})
                answer = self._last(answers)
            return int(self._result(answer))

    def remove(self, paths: Sequence[str]) -> tuple[str, ...]:
        return tuple(self._call("remove", paths))

    def run(self, command: Command) -> Completed:
        completed: Completed = self._call("run", command)
        return completed

    def unit(self, name: str) -> UnitState:
        state: UnitState = self._call("unit", name)
        return state

    def ensure_unit(self, unit: Unit, *, known: UnitState | None = None) -> tuple[str, ...]:
        return tuple(self._call("ensure_unit", unit, known))

    def close(self) -> None:
        """Say that nothing more will be asked."""
        self._closing.set()
        with self._sending, suppress(OSError, ValueError):
            self._sink.close()

    def _call(self, call: str, *arguments: Any) -> Any:
        with self._asked(call, *arguments) as (_, answers):
            return self._result(self._last(answers))

    @contextmanager
    def _asked(self, call: str, *arguments: Any) -> Iterator[tuple[int, queue.SimpleQueue[dict[str, Any]]]]:
        number = next(self._numbers)
        self._waiting[number] = queue.SimpleQueue()
        self.round_trips += 1
        try:
            self._send({"id": number, "call": call, "arguments": arguments})
            yield number, self._waiting[number]
        finally:
            del self._waiting[number]

    def _last(self, answers: queue.SimpleQueue[dict[str, Any]]) -> dict[str, Any]:
        while "more" in (answer := answers.get()):
            pass
        return answer

    def _result(self, answer: dict[str, Any]) -> Any:
        if "lost" in answer:
            raise self._lost(self._end[0])
        if "error" in answer:
            raise (LockedError if answer.get("kind") == "LockedError" else NodeError)(str(answer["error"]))
        if "bug" in answer:
            raise RuntimeError(f"the helper on {self._name} failed: {answer['bug']}")
        return answer.get("value")

    def _send(self, message: dict[str, Any]) -> None:
        try:
            with self._sending:
                send(self._sink, message)
        except (OSError, ValueError) as error:  # ValueError: closed
            raise self._lost(error) from error
        if self._end:  # nobody will wake who waits for an answer from now on
            raise self._lost(self._end[0])

    def _receive(self) -> None:
        why: Exception | None = None
        try:
            while (message := receive(self._source)) is not None:
                if (answers := self._waiting.get(message.get("id") or 0)) is not None:
                    answers.put(message)
        except (OSError, ValueError, LookupError, TypeError, EOFError) as error:
            why = error
        self._end.append(why)
        self._closing.set()
        for answers in list(self._waiting.values()):
            answers.put({"lost": True})

    def _be_heard(self) -> None:
        """Ask now and then, so that both ends see whether there is another."""
        while not self._closing.wait(_HEAR_EVERY):
            with suppress(NodeError):
                self._send({"id": 0, "call": "hear", "arguments": []})
