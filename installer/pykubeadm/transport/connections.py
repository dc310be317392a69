"""Connections to one server, kept for the next request, not more than a few. Threads may share them."""

from __future__ import annotations

import http.client
import select
import ssl
import threading
import time
import weakref
from collections.abc import Mapping
from contextlib import suppress
from queue import Empty, LifoQueue
from typing import Protocol

from pykubeadm.transport.http import Response, UnansweredError, checked_url, connection_to, received
from pykubeadm.transport.route import Dial

_KEPT = 5.0  # seconds; what lies between may have forgotten an older connection without a word
_MOST = 16  # at a time, however many threads ask: over SSH each takes two descriptors and two threads

_Idle = LifoQueue[tuple[http.client.HTTPConnection, float]]  # each with when it was last used


class HasFileno(Protocol):
    """What the kernel knows by a number."""

    def fileno(self) -> int:
        """That number."""


class Connections:
    """To the server at a URL; `proxy` is that of an HTTP proxy, "" for none. `timeout` is in seconds, for connecting and for each
    wait after that; `dial` opens connections in place of this process. ApiError where either URL is none that can be used.

    They are closed by `close`, and at the latest when nobody has this object any more."""

    def __init__(self, server: str, tls: ssl.SSLContext, *, timeout: float, proxy: str, dial: Dial | None = None) -> None:
        self._server = server
        self._tls = tls
        self._timeout = timeout
        self._proxy = proxy
        self._dial = dial
        checked_url(server)
        self._new()  # is not opened yet, and refuses a proxy that cannot be used
        self._turns = threading.BoundedSemaphore(_MOST)
        self._idle = _Idle()
        weakref.finalize(self, _close, self._idle)

    def request(self, method: str, path: str, body: bytes | None, headers: Mapping[str, str]) -> Response:
        """The answer; UnansweredError where there is none."""
        with self._turns:
            return self._request(method, path, body, headers)

    def _request(self, method: str, path: str, body: bytes | None, headers: Mapping[str, str]) -> Response:
        while True:
            kept = self._kept()
            connection = kept or self._new()
            try:
                response, usable = received(connection, method, path, body, headers)
            except (OSError, http.client.HTTPException) as error:
                connection.close()
                if kept and method == "GET" and isinstance(error, ConnectionError | http.client.BadStatusLine):
                    continue  # the server gave the connection up while we took it
                raise UnansweredError(error, self._timeout) from error
            except BaseException:
                connection.close()
                raise
            if usable:
                self._idle.put((connection, time.monotonic()))
            else:
                connection.close()
            return response

    def peer_certificate(self) -> bytes:
        """What the server shows at the end of a connection that is open, DER; empty where none is."""
        with suppress(IndexError):
            socket = self._idle.queue[-1][0].sock
            if isinstance(socket, ssl.SSLSocket):
                return socket.getpeercert(binary_form=True) or b""
        return b""

    def close(self) -> None:
        """Close those that no request is using."""
        _close(self._idle)

    def _kept(self) -> http.client.HTTPConnection | None:
        with suppress(Empty):
            while True:
                connection, used = self._idle.get_nowait()
                # Nobody has asked, so something to read can only be the end.
                if time.monotonic() - used < _KEPT and not readable(connection.sock, 0):
                    return connection
                connection.close()
        return None

    def _new(self) -> http.client.HTTPConnection:
        return connection_to(self._server, timeout=self._timeout, tls=self._tls, proxy=self._proxy, dial=self._dial)


def _close(idle: _Idle) -> None:
    with suppress(Empty):
        while True:
            idle.get_nowait()[0].close()


def readable(file: HasFileno, seconds: float) -> bool:
    """Whether there is something to read, or the end. (`select` knows no descriptors from 1024 on.)"""
    poll = select.poll()
    poll.register(file, select.POLLIN)
    return bool(poll.poll(seconds * 1000))
