"""An SSH connection that knows how far its login came, for a sentence that says why it failed."""

from __future__ import annotations

import socket
import threading
from typing import Any, cast

import paramiko

_GREETING = 8192  # bytes of what a server says first that are kept


class _Overheard:
    """A socket that keeps the first that is heard on it."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner
        self.heard = b""

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def recv(self, size: int) -> bytes:
        data: bytes = self._inner.recv(size)
        self.heard += data
        if len(self.heard) > _GREETING:
            self.recv = self._inner.recv  # type: ignore[method-assign]
        return data


class Transport(paramiko.Transport):
    """Knows how far it came: what the server said first, and how many keys it refused."""

    def __init__(self, sock: Any, **others: Any) -> None:
        self._overheard = _Overheard(sock)
        self.refused = 0
        super().__init__(cast("socket.socket", self._overheard), **others)

    def auth_publickey(self, username: str, key: paramiko.PKey, event: threading.Event | None = None) -> list[str]:
        try:
            return super().auth_publickey(username, key, event)
        except paramiko.AuthenticationException:
            self.refused += self.is_active()
            raise

    @property
    def greeting(self) -> bytes:
        """What the server says first, with what it may say before that (RFC 4253, 4.2)."""
        return self._overheard.heard

    @property
    def greeted(self) -> bool:
        return b"\nSSH-" in b"\n" + self.greeting
