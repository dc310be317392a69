"""Connections that are kept: how many there are, and who closes them."""

from __future__ import annotations

import gc
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from datetime import timedelta

import pytest

from pykubeadm.pki.tls import client_context
from pykubeadm.transport.connections import Connections
from tests.support.servers import LOCALHOST, NOW, authority, ca_pem, context

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class Server:
    """Keeps connections, as an API server does. `most` is how many there were at a time, `ended` counts those that were closed;
    it answers once `answers` is set."""

    def __init__(self) -> None:
        tls = context(authority(), NOW - timedelta(hours=1), NOW + timedelta(days=1), LOCALHOST)
        self._listening = tls.wrap_socket(socket.create_server(("127.0.0.1", 0), backlog=100), server_side=True)
        self._lock, self._now = threading.Lock(), 0
        self.most = 0
        self.ended = threading.Semaphore(0)
        self.answers = threading.Event()
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self._listening.getsockname()[1]}"

    def close(self) -> None:
        self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                threading.Thread(target=self._serve, args=(self._listening.accept()[0],), daemon=True).start()

    def _serve(self, caller: socket.socket) -> None:
        with self._lock:
            self._now += 1
            self.most = max(self.most, self._now)
        with caller, suppress(OSError):
            while caller.recv(65536):
                self.answers.wait(10)
                caller.sendall(ANSWER)
        with self._lock:
            self._now -= 1
        self.ended.release()


@contextmanager
def keeping() -> Iterator[Server]:
    server = Server()
    try:
        yield server
    finally:
        server.close()


def to(server: Server) -> Connections:
    return Connections(server.url, client_context(ca_pem()), timeout=10, proxy="")


def test_many_threads_share_a_few():
    with keeping() as server:
        kept = to(server)
        with ThreadPoolExecutor(60) as pool:
            asked = [pool.submit(kept.request, "GET", "/", None, {}) for _ in range(60)]
            threading.Timer(0.5, server.answers.set).start()
            assert [each.result().body for each in asked] == [b"ok"] * 60
        assert server.most == 16
        kept.close()


@pytest.mark.filterwarnings("error::ResourceWarning")
def test_those_that_nobody_has_any_more_are_closed():
    with keeping() as server:
        server.answers.set()
        kept = to(server)
        kept.request("GET", "/", None, {})
        del kept
        gc.collect()
        assert server.ended.acquire(timeout=10)
