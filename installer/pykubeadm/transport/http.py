"""URLs of servers, and connections to them by the standard library's HTTP client."""

from __future__ import annotations

import http.client
import re
import ssl
from urllib.parse import SplitResult, urlsplit

from pykubeadm.errors import ApiError
from pykubeadm.transport.proxies import without_password

_HOST = re.compile(r"[A-Za-z0-9_.:-]{1,253}")
_PATH = re.compile(r"[!-~]*")  # no spaces, nothing but ASCII


def connection_to(url: str, *, timeout: float, tls: ssl.SSLContext | None = None) -> http.client.HTTPConnection:
    """An unopened connection to where `url` leads. `timeout` is in seconds, for connecting and for each wait after that."""
    parts = urlsplit(url)
    host = parts.hostname or ""
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


def _is_host(name: str) -> bool:
    return bool(_HOST.fullmatch(name)) and all(0 < len(label) < 64 for label in name.rstrip(".").split("."))
