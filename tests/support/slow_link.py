"""A link with a delay, and one that is cut: a relay on loopback in front of a server, where the kernel need not have netem."""

from __future__ import annotations

import queue
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

_PIECE = 65536
_Delayed = queue.SimpleQueue[tuple[float, bytes]]


class SlowLink:
    """`port` on loopback leads to `server`. What is sent there arrives `delay` seconds later, however much is under way (as with
    `tc qdisc add … netem delay`); what comes back is not held back."""

    def __init__(self, server: tuple[str, int], delay: float) -> None:
        self._server, self._delay = server, delay
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._open: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self) -> None:
        """End every connection, and take no more."""
        for end in (self._listener, *self._open):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                near = self._listener.accept()[0]
                time.sleep(self._delay)
                far = socket.create_connection(self._server)
                for end in (near, far):
                    end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                    self._open.append(end)
                held: _Delayed = queue.SimpleQueue()
                for work, arguments in ((self._hold, (near, held)), (_release, (held, far)), (_pass, (far, near))):
                    threading.Thread(target=work, args=arguments, daemon=True).start()

    def _hold(self, source: socket.socket, held: _Delayed) -> None:
        with suppress(OSError):
            while data := source.recv(_PIECE):
                held.put((time.monotonic() + self._delay, data))
        held.put((0.0, b""))


def _release(held: _Delayed, sink: socket.socket) -> None:
    with suppress(OSError):
        while (piece := held.get())[1]:
            time.sleep(max(piece[0] - time.monotonic(), 0))
            sink.sendall(piece[1])
        sink.shutdown(socket.SHUT_WR)


def _pass(source: socket.socket, sink: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(_PIECE):
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)


@contextmanager
def slow_link(server: tuple[str, int], delay: float) -> Iterator[SlowLink]:
    link = SlowLink(server, delay)
    try:
        yield link
    finally:
        link.cut()
