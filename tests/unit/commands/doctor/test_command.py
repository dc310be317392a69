"""Which checks are made, whoever asks and however the cluster answers."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from pykubeadm.commands.doctor.command import diagnose
from pykubeadm.kube.credentials import Credentials
from tests.support.servers import running

NOW = datetime(2026, 5, 1, tzinfo=UTC)


class Restrictive(BaseHTTPRequestHandler):
    """Lets a user with a token see whether the API server is ready, and nothing else; refuses those without one."""

    def do_GET(self) -> None:
        known = self.headers["Authorization"] == "Bearer abc"
        ready = known and self.path == "/readyz"
        body = b"ok" if ready else json.dumps({"message": f"{self.path} is forbidden" if known else "Unauthorized"}).encode()
        self.send_response_only(200 if ready else 403 if known else 401)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_POST = do_GET  # noqa: N815  http.server's name


def levels(**user: str) -> dict[str, str]:
    with running(ThreadingHTTPServer(("127.0.0.1", 0), Restrictive)) as server:
        credentials = Credentials(f"http://127.0.0.1:{server.server_port}", user=user)
        found = diagnose(None, lambda: credentials, lambda: NOW)
    return {each.name: each.level for each in found.examined}


def test_who_may_read_little_is_told_what_could_not_be_checked() -> None:
    found = levels(token="abc")
    assert found.pop("cluster/api") == "fine"
    assert found.pop("cluster/api-certificate") == "unknown"
    assert found["cluster/nodes"] == "unknown"
    assert "problem" not in found.values()


def test_who_is_not_known_is_told_so() -> None:
    assert levels() == {"cluster/api": "problem"}
