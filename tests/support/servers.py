"""Servers on loopback, with certificates of a CA of their own."""

from __future__ import annotations

import ssl
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from functools import cache
from http.server import BaseHTTPRequestHandler, HTTPServer
from ipaddress import ip_address
from typing import Any, TypeVar

from pykubeadm.pki.issue import Authority, Subject, encode_certificate, issue_ca, issue_leaf
from pykubeadm.pki.keys import encode_private_key, generate_key
from pykubeadm.pki.sans import Names
from pykubeadm.pki.table import Usage

NOW = datetime.now(UTC)
S = TypeVar("S", bound=HTTPServer)
LOCALHOST = Names(ips=(ip_address("127.0.0.1"),))


@cache
def authority(name: str = "kubernetes") -> Authority:
    key = generate_key("ECDSA-P256")
    subject = Subject(name, NOW - timedelta(days=1), NOW + timedelta(days=10), names=Names(dns=(name,)))
    return Authority(issue_ca(subject, key), key)


def ca_pem() -> bytes:
    return encode_certificate(authority().certificate)


def context(ca: Authority, begin: datetime, end: datetime, names: Names) -> ssl.SSLContext:
    key = generate_key("ECDSA-P256")
    subject = Subject("kube-apiserver", begin, end, usages=(Usage.SERVER_AUTH,), names=names)
    found = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with tempfile.NamedTemporaryFile() as pair:
        pair.write(encode_certificate(issue_leaf(subject, key.public_key(), ca)) + encode_private_key(key))
        pair.flush()
        found.load_cert_chain(pair.name)
    return found


class Server(HTTPServer):
    """Answers each GET with the next of `answers` (the last one again and again): a status and a body. Without any it answers as
    an API server does to who is not known: to /version with no object, to all else with a Status."""

    def __init__(self, tls: ssl.SSLContext | None, date: datetime) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.answers: list[tuple[int, bytes]] = []
        self.asked: list[str] = []
        self.date = date
        if tls:
            self.socket = tls.wrap_socket(self.socket, server_side=True)

    @property
    def endpoint(self) -> str:
        return f"127.0.0.1:{self.server_port}"

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that does not trust us hangs up."""


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        self.server.asked.append(self.path)
        status, body = self._answer()
        self.send_response_only(status)
        self.send_header("Date", format_datetime(self.server.date, usegmt=True))
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _answer(self) -> tuple[int, bytes]:
        if not self.server.answers:
            return (200, b'{"major": "1"}') if self.path == "/version" else (403, b'{"kind": "Status", "code": 403}')
        return self.server.answers[0] if len(self.server.answers) == 1 else self.server.answers.pop(0)


@contextmanager
def running(server: S) -> Iterator[S]:
    """The server, answering in a thread of its own."""
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@contextmanager
def serving(
    *, tls: ssl.SSLContext | None = None, plain: bool = False, date: datetime = NOW, **certificate: Any
) -> Iterator[Server]:
    if not plain and tls is None:
        begin = certificate.get("begin", NOW - timedelta(hours=1))
        tls = context(
            certificate.get("ca", authority()),
            begin,
            certificate.get("end", NOW + timedelta(days=1)),
            certificate.get("names", LOCALHOST),
        )
    with running(Server(tls, date)) as server:
        yield server
