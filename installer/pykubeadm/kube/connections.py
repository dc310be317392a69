"""Connections to one server, kept for the next request. Threads may share them."""

from __future__ import annotations

import base64
import http.client
import select
import ssl
from collections.abc import Mapping
from contextlib import suppress
from queue import Empty, SimpleQueue
from urllib.parse import unquote, urlsplit
from urllib.request import getproxies, proxy_bypass

from pykubeadm.errors import ApiError
from pykubeadm.util.http import connection_to


class Connections:
    """To the server at a URL, through the environment's proxy for it with `proxies`. `timeout` is in seconds, for connecting and
    for each wait after that. ApiError where the proxy is of a kind that is not supported."""

    def __init__(self, server: str, tls: ssl.SSLContext, *, timeout: float, proxies: bool) -> None:
        self._server = server
        self._tls = tls
        self._timeout = timeout
        self._proxy = _proxy(server) if proxies else None
        self._idle: SimpleQueue[http.client.HTTPConnection] = SimpleQueue()

    def request(self, method: str, path: str, body: bytes | None, headers: Mapping[str, str]) -> tuple[int, bytes]:
        """Status and content of the answer. Raises OSError or http.client.HTTPException where there is none."""
        while True:
            kept = self._kept()
            connection = kept or self._new()
            try:
                connection.request(method, path, body, dict(headers))
                answer = connection.getresponse()
                content = answer.read()
            except BaseException as error:
                connection.close()
                if kept and method == "GET" and isinstance(error, ConnectionError | http.client.BadStatusLine):
                    continue  # the server gave the connection up while we took it
                raise
            if not answer.will_close:
                self._idle.put(connection)
            return answer.status, content

    def close(self) -> None:
        """Close those that no request is using."""
        with suppress(Empty):
            while True:
                self._idle.get_nowait().close()

    def _kept(self) -> http.client.HTTPConnection | None:
        with suppress(Empty):
            while True:
                connection = self._idle.get_nowait()
                # Nobody has asked, so something to read can only be the end.
                if connection.sock is not None and not select.select([connection.sock], [], [], 0)[0]:
                    return connection
                connection.close()
        return None

    def _new(self) -> http.client.HTTPConnection:
        if self._proxy is None:
            return connection_to(self._server, timeout=self._timeout, tls=self._tls)
        proxy, server = urlsplit(self._proxy), urlsplit(self._server)
        connection = http.client.HTTPSConnection(proxy.hostname or "", proxy.port or 80, timeout=self._timeout, context=self._tls)
        user = unquote(proxy.netloc.rpartition("@")[0])
        credentials = {"Proxy-Authorization": f"Basic {base64.b64encode(user.encode()).decode('ascii')}"} if user else {}
        connection.set_tunnel(server.hostname or "", server.port, headers=credentials)
        return connection


def _proxy(server: str) -> str | None:
    """The environment's proxy for an HTTPS server, None where it wants none."""
    url = urlsplit(server)
    found = getproxies().get("https") if url.scheme == "https" and not proxy_bypass(url.netloc) else None
    if not found:
        return None
    proxy = found if "://" in found else f"http://{found}"
    if urlsplit(proxy).scheme != "http":
        raise ApiError(
            f"the environment's proxy for {server} cannot be used: {urlsplit(proxy).scheme} proxies are not supported; name an "
            "HTTP proxy in https_proxy, or put the server into no_proxy"
        )
    return proxy
