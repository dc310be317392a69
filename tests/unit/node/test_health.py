"""What is made of the answers of health endpoints."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from pykubeadm.node.health import unhealthy
from pykubeadm.node.port import HealthEndpoint
from pykubeadm.pki.issue import encode_certificate
from tests.support.servers import authority, ca_pem, serving

ANSWERS = {
    "/healthz": (200, "ok"),
    "/livez": (
        500,
        "[+]ping ok\n[-]etcd failed: reason withheld\n[-]poststarthook/rbac failed: reason withheld\nlivez check failed\n",
    ),
    "/forbidden": (403, '{"kind":"Status","message":"forbidden: User \\"x\\" cannot get path","code":403}'),
    "/empty": (503, ""),
}


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        status, text = ANSWERS[self.path]
        self.send_response(status)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class names it so
        """Be silent."""


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("/healthz", ""),
        ("/livez", "status 500, not healthy yet: etcd, poststarthook/rbac"),
        ("/forbidden", 'status 403: forbidden: User "x" cannot get path'),
        ("/empty", "status 503"),
    ],
)
def test_answers(url: str, path: str, reason: str) -> None:
    assert unhealthy([HealthEndpoint(url + path)]) == (reason,)


def test_nobody_listens() -> None:
    assert unhealthy([HealthEndpoint("http://127.0.0.1:1/healthz")]) == ("connection refused",)


def test_something_else_listens(url: str) -> None:
    assert unhealthy([HealthEndpoint(url.replace("http:", "https:") + "/healthz")]) != ("",)


def test_they_are_asked_again_until_they_are_healthy(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(ANSWERS, "/empty", (503, ""))
    threading.Timer(0.1, lambda: ANSWERS.__setitem__("/empty", (200, ""))).start()
    assert unhealthy([HealthEndpoint(url + "/empty"), HealthEndpoint(url + "/healthz")], patience=10) == ("", "")


def test_a_certificate_is_shown_to_whom_it_trusts_only() -> None:
    with serving() as server:
        server.answers = [(200, b"ok")]
        url = f"https://{server.endpoint}/livez"
        assert unhealthy([HealthEndpoint(url), HealthEndpoint(url, ca_pem())]) == ("", "")
        [reason] = unhealthy([HealthEndpoint(url, encode_certificate(authority("other").certificate))])
    assert reason == "its certificate is not accepted: it is signed by another certificate authority"
