"""URLs of sockets in the file system: "unix:///run/x.sock", and "unix:/run/x.sock", which is the same (RFC 3986, section 3)."""

from __future__ import annotations


def socket_path(url: str) -> str:
    """The path in such a URL; any other text as it is."""
    return url.removeprefix("unix:").removeprefix("//") if url.startswith("unix:") else url
