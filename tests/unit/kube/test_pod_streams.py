"""Commands in containers and forwarded ports, against a server that speaks WebSocket as the API server does."""

from __future__ import annotations

import base64
import hashlib
import json
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, urlsplit

import pytest

from pykubeadm.errors import ApiError
from pykubeadm.kube.credentials import Credentials
from pykubeadm.kube.pod_streams import PodStreams
from pykubeadm.kube.port import ApiStatusError, ApiUnreachableError
from pykubeadm.transport.websocket import read_frame

_MAGIC = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455, 1.3
_BINARY, _PING, _CLOSE = 2, 9, 8


def unmasked(opcode: int, payload: bytes, *, final: bool = True) -> bytes:
    head = bytes([(0x80 if final else 0) | opcode])
    size = len(payload)
    if size < 126:
        return head + bytes([size]) + payload
    return head + (struct.pack("!BH", 126, size) if size < 65536 else struct.pack("!BQ", 127, size)) + payload


class Handler(BaseHTTPRequestHandler):
    """`server.script` is called with this handler once the WebSocket is open."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.server.asked.append(self.path)  # type: ignore[attr-defined]
        refusal = self.server.refusal  # type: ignore[attr-defined]
        if refusal or "Upgrade" not in self.headers:
            status, body = refusal or (200, b"line one\nline two\n")
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)
            return
        key = hashlib.sha1((self.headers["Sec-WebSocket-Key"] + _MAGIC).encode()).digest()  # noqa: S324 - as RFC 6455 has it
        self.send_response(101)
        self.send_header("Upgrade", "websocket")
        self.send_header("Connection", "Upgrade")
        self.send_header("Sec-WebSocket-Accept", base64.b64encode(key).decode())
        self.send_header("Sec-WebSocket-Protocol", self.headers["Sec-WebSocket-Protocol"])
        self.end_headers()
        self.server.script(self)  # type: ignore[attr-defined]
        self.close_connection = True
        # As servers do: what is closed with something unread in it is reset, and what was sent is lost on the way.
        self.connection.shutdown(socket.SHUT_WR)
        self.rfile.read()

    def log_message(self, *_arguments: object) -> None:
        """Be silent."""


class Fake(ThreadingHTTPServer):
    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.asked: list[str] = []
        self.refusal: tuple[int, bytes] | None = None
        self.script: Callable[[Handler], None] = lambda _handler: None

    @property
    def streams(self) -> PodStreams:
        return PodStreams(Credentials(f"http://127.0.0.1:{self.server_port}", insecure=True, user={"token": "abc"}))


@pytest.fixture
def server() -> Iterator[Fake]:
    found = Fake()
    thread = threading.Thread(target=found.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    yield found
    found.shutdown()
    found.server_close()


def status(**fields: object) -> bytes:
    return bytes([3]) + json.dumps(fields).encode()


def failure(code: int) -> bytes:
    return status(status="Failure", reason="NonZeroExitCode", details={"causes": [{"reason": "ExitCode", "message": str(code)}]})


def test_a_command_gets_its_input_and_gives_outputs_and_status(server: Fake) -> None:
    got: list[bytes] = []

    def script(handler: Handler) -> None:
        while True:
            _, opcode, message = read_frame(handler.rfile)
            if message == bytes([255, 0]):  # the input is at its end
                break
            assert opcode == _BINARY
            got.append(message)
        handler.wfile.write(unmasked(_PING, b"there?"))
        handler.wfile.write(unmasked(_BINARY, bytes([1]) + b"out " * 20_000, final=False))
        handler.wfile.write(unmasked(0, b"end"))
        handler.wfile.write(unmasked(_BINARY, bytes([2]) + b"err"))
        handler.wfile.write(unmasked(_BINARY, failure(3)))
        handler.wfile.write(unmasked(_CLOSE, b""))

    server.script = script
    done = server.streams.run("ns", "pod", ["sh", "-c", "echo a&b"], stdin=b"in")
    assert (done.status, done.stdout, done.stderr) == (3, "out " * 20_000 + "end", "err")
    assert got == [bytes([0]) + b"in"]
    asked = urlsplit(server.asked[0])
    assert asked.path == "/api/v1/namespaces/ns/pods/pod/exec"
    assert [value for name, value in parse_qsl(asked.query) if name == "command"] == ["sh", "-c", "echo a&b"]


def test_a_command_that_succeeds(server: Fake) -> None:
    server.script = lambda handler: [handler.wfile.write(unmasked(_BINARY, status(status="Success")))][0] and None
    assert server.streams.run("ns", "pod", ["true"]).status == 0


def test_a_connection_that_ends_before_the_command_is_an_error(server: Fake) -> None:
    server.script = lambda handler: [handler.wfile.write(unmasked(_BINARY, bytes([1]) + b"half"))][0] and None
    with pytest.raises(ApiError, match="could not run true in Pod ns/pod: the connection ended before the command"):
        server.streams.run("ns", "pod", ["true"])


def test_what_the_api_server_refuses_is_said_in_its_words(server: Fake) -> None:
    server.refusal = (403, b'{"kind":"Status","message":"pods is forbidden","reason":"Forbidden","code":403}')
    with pytest.raises(ApiStatusError, match="could not run ls in Pod ns/pod: pods is forbidden") as caught:
        server.streams.run("ns", "pod", ["ls"])
    assert (caught.value.code, caught.value.reason) == (403, "Forbidden")
    with pytest.raises(ApiStatusError, match="could not read the log of Pod ns/pod: pods is forbidden"):
        server.streams.logs("ns", "pod")


def test_logs_are_text(server: Fake) -> None:
    assert server.streams.logs("ns", "pod", "main", previous=True, lines=7) == "line one\nline two\n"
    assert dict(parse_qsl(urlsplit(server.asked[0]).query)) == {"tailLines": "7", "container": "main", "previous": "true"}


def test_a_forwarded_port_answers(server: Fake) -> None:
    def script(handler: Handler) -> None:
        for channel in (0, 1):
            handler.wfile.write(unmasked(_BINARY, bytes([channel]) + struct.pack("<H", 8080)))
        _, _, asked = read_frame(handler.rfile)
        handler.wfile.write(unmasked(_BINARY, bytes([0]) + b"you said " + asked[1:]))
        handler.wfile.write(unmasked(_CLOSE, b""))

    server.script = script
    assert server.streams.through_port("ns", "pod", 8080, b"hello") == b"you said hello"


def test_a_port_where_nobody_listens_is_an_error(server: Fake) -> None:
    def script(handler: Handler) -> None:
        for channel in (0, 1):
            handler.wfile.write(unmasked(_BINARY, bytes([channel]) + struct.pack("<H", 80)))
        handler.wfile.write(unmasked(_BINARY, bytes([1]) + b"connection refused"))

    server.script = script
    with pytest.raises(ApiError, match="could not forward port 80 of Pod ns/pod: connection refused"):
        server.streams.through_port("ns", "pod", 80, b"hello")


def test_nobody_there(server: Fake) -> None:
    streams = server.streams
    server.shutdown()
    server.server_close()
    with pytest.raises(ApiUnreachableError, match=r"could not run ls in Pod ns/pod: no answer from http://127.0.0.1"):
        streams.run("ns", "pod", ["ls"])
