"""Connections to one server, kept for the next request. Threads may share them."""

from __future__ import annotations

import http.client
import select
import ssl
import time
from collections.abc import Mapping
from contextlib import suppress
from queue import Empty, LifoQueue

from pykubeadm.transport.http import Response, UnansweredError, checked_url, connection_to, received
from pykubeadm.transport.route import Dial

_KEPT = 5.0  # seconds; what lies between may have forgotten an older connection without a word


class Connections:
    """To the server at a URL; `proxy` is that of an HTTP proxy, "" for none. `timeout` is in seconds, for connecting and for each
    wait after that; `dial` opens connections in place of this process. ApiError where either URL is none that can be used."""

    def __init__(self, server: str, tls: ssl.SSLContext, *, timeout: float, proxy: str, dial: Dial | None = None) -> None:
        self._server = server
        self._tls = tls
        self._timeout = timeout
        self._proxy = proxy
        self._dial = dial
        checked_url(server)
        self._new()  # is not opened yet, and refuses a proxy that cannot be used
        self._idle: LifoQueue[tuple[http.client.HTTPConnection, float]] = LifoQueue()  # each with when it was last used

    def request(self, method: str, path: str, body: bytes | None, headers: Mapping[str, str]) -> Response:
        """The answer; UnansweredError where there is none."""
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
        with suppress(Empty):
            while True:
                self._idle.get_nowait()[0].close()

    def _kept(self) -> http.client.HTTPConnection | None:
        with suppress(Empty):
            while True:
                connection, used = self._idle.get_nowait()
                # Nobody has asked, so something to read can only be the end.
                if time.monotonic() - used < _KEPT and not select.select([connection.sock], [], [], 0)[0]:
                    return connection
                connection.close()
        return None

    def _new(self) -> http.client.HTTPConnection:
        return connection_to(self._server, timeout=self._timeout, tls=self._tls, proxy=self._proxy, dial=self._dial)
