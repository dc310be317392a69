"""URLs of servers, and connections to them by the standard library's HTTP client."""

from __future__ import annotations

import base64
import http.client
import re
import ssl
import sys
from urllib.parse import SplitResult, unquote, urlsplit

from pykubeadm.errors import ApiError
from pykubeadm.transport.proxies import without_password

_HOST = re.compile(r"[A-Za-z0-9_.:-]{1,253}")
_PATH = re.compile(r"[!-~]*")  # no spaces, nothing but ASCII


def connection_to(url: str, *, timeout: float, tls: ssl.SSLContext | None = None, proxy: str = "") -> http.client.HTTPConnection:
    """An unopened connection to where `url` leads. `timeout` is in seconds, for connecting and for each wait after that. `proxy`
    is that of an HTTP proxy for https, "" for none; ApiError where it cannot be used."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    if proxy and parts.scheme == "https":
        return _tunnel(_checked_proxy(proxy, parts), parts, timeout, tls)
    # Without a port http.client looks for one in the host, and takes the end of an IPv6 address.
    if parts.scheme == "http":
        return http.client.HTTPConnection(host, parts.port or 80, timeout=timeout)
    return http.client.HTTPSConnection(host, parts.port or 443, timeout=timeout, context=tls)


def checked_url(url: str) -> SplitResult:
    """The parts of a server's URL; ApiError, with nothing of a password, where it is none."""
    try:
        parts = urlsplit(url)
        usable = (
            parts.scheme in ("http", "https")
            and parts.port != 0
            and _is_host(parts.hostname or "")
            and _PATH.fullmatch(parts.path)
        )
    except ValueError:  # of the port, or of brackets
        usable = None
    if not usable:
        raise ApiError(f'"{without_password(url)}" is not the URL of a server, which looks like https://10.0.0.1:6443')
    return parts


def _tunnel(proxy: SplitResult, server: SplitResult, timeout: float, tls: ssl.SSLContext | None) -> http.client.HTTPSConnection:
    connection = http.client.HTTPSConnection(proxy.hostname or "", proxy.port or 80, timeout=timeout, context=tls)
    user = unquote(proxy.netloc.rpartition("@")[0])
    credentials = {"Proxy-Authorization": f"Basic {base64.b64encode(user.encode()).decode('ascii')}"} if user else {}
    connection.set_tunnel(server.hostname or "", server.port or 443, headers=credentials)
    return connection


def _checked_proxy(url: str, server: SplitResult) -> SplitResult:
    if "://" not in url:
        url = f"http://{url}"
    if not url.startswith("http://"):
        raise ApiError(
            f"the proxy {without_password(url)} for {server.netloc} cannot be used: only HTTP proxies are "
            "supported; name one of those, or put the server into no_proxy"
        )
    if ":" in (server.hostname or "") and sys.version_info < (3, 12):  # its http.client leaves out the brackets
        raise ApiError(f"with this Python no proxy can be asked for the IPv6 address of {server.netloc}: put that into no_proxy")
    return checked_url(url)


def _is_host(name: str) -> bool:
    return bool(_HOST.fullmatch(name)) and all(0 < len(label) < 64 for label in name.rstrip(".").split("."))
