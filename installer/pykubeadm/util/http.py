"""Connections of the standard library's HTTP client, which is loaded in 10 ms where others take 30 to 200."""

from __future__ import annotations

import http.client
import ssl
from urllib.parse import urlsplit


def connection_to(url: str, *, timeout: float, tls: ssl.SSLContext | None = None) -> http.client.HTTPConnection:
    """An unopened connection to where `url` leads. `timeout` is in seconds, for connecting and for each wait after that."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    # Without a port http.client looks for one in the host, and takes the end of an IPv6 address.
    if parts.scheme == "http":
        return http.client.HTTPConnection(host, parts.port or 80, timeout=timeout)
    return http.client.HTTPSConnection(host, parts.port or 443, timeout=timeout, context=tls)
