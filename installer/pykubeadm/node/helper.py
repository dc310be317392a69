"""The program that answers for a node at the other end of a connection: messages come on standard input, answers go out on
standard output, several at a time. It acts by `LocalNode`, so a node behaves alike from near and far.

It is sent as source (`remote.payload`), runs from memory on Python 3.9 with nothing but the standard library, and ends with its
input, or where nobody was heard for a minute: then it ends the commands that it runs, and the kernel gives the lock back.
"""

from __future__ import annotations

import os
import queue
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import IO, Any

from pykubeadm.errors import NodeError, PykubeadmError
from pykubeadm.node.local import LocalNode, end_commands
from pykubeadm.node.messages import receive, send
from pykubeadm.node.port import Node

SILENCE = 60.0  # seconds without any message after which the other end is given up
# The node's methods that are called by their names.
_OPERATIONS = frozenset({"read", "read_part", "stat", "list_dir", "present", "unhealthy", "write", "remove", "run", "unit"})


class Helper:
    """Answers messages until there are no more."""

    def __init__(self, node: Node, source: IO[bytes], sink: IO[bytes]) -> None:
        self._node = node
        self._source, self._sink = source, sink
        self._sending = threading.Lock()
        self._held = ExitStack()  # the lock
        self._queues: dict[int, queue.Queue[dict[str, Any]]] = {}  # of what comes in several messages
        self.heard = time.monotonic()

    def serve(self) -> None:
        with self._held:
            while (message := receive(self._source)) is not None:
                self.heard = time.monotonic()
                number = message["id"]
                if "call" not in message:
                    if number in self._queues:
                        self._queues[number].put(message)
                    continue
                if message["call"] == "save":
                    self._queues[number] = queue.Queue()
                threading.Thread(target=self._answer, args=(message,), daemon=True).start()

    def _answer(self, message: dict[str, Any]) -> None:
        number, call, arguments = message["id"], message["call"], message["arguments"]
        try:
            value = self._act(number, call, arguments)
        except PykubeadmError as error:
            answer = {"id": number, "error": str(error), "kind": type(error).__name__}
        except Exception:  # noqa: BLE001 - whoever asked gets it
            answer = {"id": number, "bug": traceback.format_exc()}
        else:
            answer = {"id": number, "value": value}
        self._queues.pop(number, None)
        self._send(answer)

    def _answered(self, call: str, arguments: list[Any]) -> dict[str, Any]:
        try:
            return {"value": self._act(0, call, arguments)}
        except PykubeadmError as error:
            return {"error": str(error)}

    def _act(self, number: int, call: str, arguments: list[Any]) -> Any:
        if call in _OPERATIONS:
            return getattr(self._node, call)(*arguments)
        others: dict[str, Callable[..., Any]] = {
            "hear": lambda: None,
            "now": time.time,
            "lock": self._lock,
            "unlock": self._held.close,
            "many": lambda calls: [self._answered(one, more) for one, more in calls],
            "ensure_unit": lambda unit, known: self._node.ensure_unit(unit, known=known),
            "save": lambda path, mode: self._node.save(path, self._chunks(number), mode),
        }
        return others[call](*arguments)

    def _lock(self, purpose: str) -> None:
        self._held.enter_context(self._node.exclusive(purpose))

    def _chunks(self, number: int) -> Iterator[bytes]:
        while True:
            self._send({"id": number, "more": True})
            message = self._queues[number].get()
            if "chunk" not in message:
                break
            yield message["chunk"]
        if not message.get("whole"):
            raise NodeError("what was to be saved broke off")

    def _send(self, message: dict[str, Any]) -> None:
        with self._sending:
            send(self._sink, message)


def main(name: str) -> None:
    """As the node called `name` in messages, until the connection ends."""
    os.umask(0o022)
    os.chdir("/")
    helper = Helper(LocalNode(name=name), sys.stdin.buffer, os.fdopen(os.dup(1), "wb"))
    os.dup2(2, 1)  # whatever prints does not disturb

    def end(*_: object) -> None:
        end_commands()
        os._exit(0)

    def watch() -> None:
        while time.monotonic() - helper.heard < SILENCE:
            time.sleep(1)
        end()

    for number in (signal.SIGHUP, signal.SIGTERM, signal.SIGINT, signal.SIGPIPE):
        signal.signal(number, end)
    threading.Thread(target=watch, daemon=True).start()
    try:
        helper.serve()
    finally:
        end()
