"""A client's side of WebSocket (RFC 6455): messages over a connection that an HTTP request opened. No extensions."""

from __future__ import annotations

import base64
import http.client
import os
import ssl
import struct
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import BinaryIO, Final

from pykubeadm.transport.http import Response, UnansweredError, checked_url, connection_to

_CONTINUATION, _TEXT, _BINARY, _CLOSE, _PING, _PONG = 0x0, 0x1, 0x2, 0x8, 0x9, 0xA
_FINAL: Final = 0x80
_MASKED: Final = 0x80
_LONGEST: Final = 64 * 1024 * 1024  # bytes of one message; what is longer is no answer of Kubernetes'
_SWITCHED: Final = 101  # the status Switching Protocols


class RefusedUpgradeError(Exception):
    """The server answered the request, and did not open a WebSocket; `response` is what it said."""

    def __init__(self, response: Response) -> None:
        super().__init__(f"it answered {response.status}")
        self.response = response


class WebSocket:
    """Messages to and from a server. One thread may send while another receives."""

    def __init__(self, connection: http.client.HTTPConnection, incoming: BinaryIO, timeout: float) -> None:
        self._connection = connection
        self._incoming = incoming
        self._timeout = timeout
        self._sending = threading.Lock()

    def send(self, message: bytes) -> None:
        """UnansweredError where the connection is gone."""
        self._send(_BINARY, message)

    def receive(self) -> bytes | None:
        """The next message; None when the server has closed. UnansweredError where the connection breaks, or nothing comes for as
        long as the timeout is."""
        message = b""
        try:
            while True:
                final, opcode, payload = read_frame(self._incoming)
                if opcode == _CLOSE:
                    return None
                if opcode == _PING:
                    with suppress(UnansweredError):  # the server may have ended; what it sent before is still to be read
                        self._send(_PONG, payload)
                elif opcode in (_CONTINUATION, _TEXT, _BINARY):
                    message += payload
                    if final:
                        return message
        except EOFError:
            return None
        except (OSError, http.client.HTTPException) as error:
            raise UnansweredError(error, self._timeout) from error

    def close(self) -> None:
        """Say that we are through, and give the connection back."""
        with suppress(UnansweredError):
            self._send(_CLOSE, struct.pack("!H", 1000))
        self._connection.close()
        self._incoming.close()

    def _send(self, opcode: int, payload: bytes) -> None:
        try:
            with self._sending:
                self._connection.sock.sendall(frame(opcode, payload, os.urandom(4)))
        except (OSError, AttributeError) as error:
            failure = error if isinstance(error, OSError) else ConnectionError("it is closed")
            raise UnansweredError(failure, self._timeout) from error


def open_websocket(
    url: str,
    *,
    protocols: Sequence[str],
    headers: Mapping[str, str],
    timeout: float,
    tls: ssl.SSLContext | None = None,
    proxy: str = "",
) -> WebSocket:
    """A WebSocket at the https or http `url` that speaks one of `protocols`; the rest as in `connection_to`. RefusedUpgradeError
    where the server opens none, UnansweredError where it does not answer."""
    parts = checked_url(url)
    connection = connection_to(url, timeout=timeout, tls=tls, proxy=proxy)
    asked = {
        **headers,
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": base64.b64encode(os.urandom(16)).decode("ascii"),
        "Sec-WebSocket-Protocol": ", ".join(protocols),
    }
    try:
        connection.request("GET", (parts.path or "/") + (f"?{parts.query}" if parts.query else ""), headers=asked)
        answer = connection.getresponse()
        if answer.status == _SWITCHED:
            return WebSocket(connection, answer.fp, timeout)
        refusal = Response(answer.status, answer.read(), answer.getheader("Date") or "")
    except (OSError, http.client.HTTPException) as error:
        connection.close()
        raise UnansweredError(error, timeout) from error
    connection.close()
    raise RefusedUpgradeError(refusal)


def frame(opcode: int, payload: bytes, mask: bytes) -> bytes:
    """A whole message in one frame, masked as a client's have to be (RFC 6455, 5.2 and 5.3)."""
    size = len(payload)
    if size < 126:
        head = struct.pack("!BB", _FINAL | opcode, _MASKED | size)
    elif size < 1 << 16:
        head = struct.pack("!BBH", _FINAL | opcode, _MASKED | 126, size)
    else:
        head = struct.pack("!BBQ", _FINAL | opcode, _MASKED | 127, size)
    return head + mask + _masked(payload, mask)


def read_frame(incoming: BinaryIO) -> tuple[bool, int, bytes]:
    """Whether it is the last of its message, the opcode and the payload of the next frame. EOFError at the end."""
    first, second = _exactly(incoming, 2)
    size = second & 0x7F
    if size == 126:
        (size,) = struct.unpack("!H", _exactly(incoming, 2))
    elif size == 127:
        (size,) = struct.unpack("!Q", _exactly(incoming, 8))
    if size > _LONGEST:
        raise http.client.HTTPException("a message is too long")
    mask = _exactly(incoming, 4) if second & _MASKED else b""
    payload = _exactly(incoming, size)
    return bool(first & _FINAL), first & 0x0F, _masked(payload, mask) if mask else payload


def _exactly(incoming: BinaryIO, size: int) -> bytes:
    found = incoming.read(size)
    if len(found) < size:
        raise EOFError
    return found


def _masked(payload: bytes, mask: bytes) -> bytes:
    size = len(payload)
    if not size:
        return b""
    key = (mask * (size // 4 + 1))[:size]
    return (int.from_bytes(payload, "big") ^ int.from_bytes(key, "big")).to_bytes(size, "big")
