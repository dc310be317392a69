"""Files over HTTPS, as a discovery file may be given."""

from __future__ import annotations

import base64
import ssl
import urllib.request
from collections.abc import Iterator
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from pykubeadm.pki.tls import client_context
from pykubeadm.transport.download import download
from tests.support.servers import LOCALHOST, NOW, authority, ca_pem, context, running


class Handler(BaseHTTPRequestHandler):
    """Answers with what the client showed of itself; /elsewhere leads to /here."""

    def do_GET(self) -> None:
        self.send_response_only(302 if self.path == "/elsewhere" else 200)
        self.send_header("Location", "/here")
        body = f"{self.path} {self.headers['Authorization']}".encode()
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@pytest.fixture
def place(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Where a server listens that the system trusts."""
    monkeypatch.setattr(ssl, "_create_default_https_context", lambda: client_context(ca_pem()))
    monkeypatch.setattr(urllib.request, "_opener", None)  # which keeps a context
    server = HTTPServer(("127.0.0.1", 0), Handler)
    tls = context(authority(), NOW - timedelta(hours=1), NOW + timedelta(days=1), LOCALHOST)
    server.socket = tls.wrap_socket(server.socket, server_side=True)
    with running(server):
        yield f"127.0.0.1:{server.server_port}"


def ask(url: str) -> str:
    return download(url, timeout=10, at_most=1000).decode()


def test_a_user_and_password_in_the_url_are_shown_to_its_server(place: str) -> None:
    """As kubeadm does (Go: net/http)."""
    assert ask(f"https://{place}/x") == "/x None"
    known = base64.b64encode(b"some one:pa:ss/").decode()
    assert ask(f"https://some%20one:pa:ss%2F@{place}/x?a=b@c") == f"/x?a=b@c Basic {known}"


def test_they_are_not_shown_where_a_redirect_leads(place: str) -> None:
    assert ask(f"https://me:secret@{place}/elsewhere") == "/here None"


def test_the_password_is_not_in_what_is_wrong(place: str) -> None:
    with pytest.raises(OSError, match=r"^(?!.*secret)"):
        ask(f"https://me:secret@{place}x/")
