"""Which checks are made, whoever asks and however the cluster answers."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

from pykubeadm.commands.doctor.cluster_checks import control_plane
from pykubeadm.commands.doctor.command import diagnose
from pykubeadm.kube.credentials import Credentials
from tests.support.node import FakeNode, completed
from tests.support.servers import running

if TYPE_CHECKING:
    import pytest

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


def test_the_routes_of_a_node_are_compared_with_the_nodes_of_its_cluster() -> None:
    """Where the user may not list them, with what was written on the node."""
    node = FakeNode()
    node.put("/proc/sys/kernel/hostname", "cp\n")
    node.put("/etc/cni/net.d/10-bridge.conflist", "{}")
    node.put("/etc/pykubeadm/routes", "# none\n")
    node.commands["ip -j -4 route show"] = completed("[]")
    items = [
        {"metadata": {"name": name}, "spec": {"podCIDR": cidr}, "status": {"addresses": [{"type": "InternalIP", "address": ip}]}}
        for name, cidr, ip in (("cp", "10.244.0.0/24", "10.0.0.1"), ("w", "10.244.1.0/24", "10.0.0.2"))
    ]

    class WithNodes(Restrictive):
        def do_GET(self) -> None:
            if not self.path.startswith("/api/v1/nodes"):
                super().do_GET()
                return
            body = json.dumps({"items": items, "metadata": {}}).encode()
            self.send_response_only(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    said = {}
    for handler in (WithNodes, Restrictive):
        with running(ThreadingHTTPServer(("127.0.0.1", 0), handler)) as server:
            credentials = Credentials(f"http://127.0.0.1:{server.server_port}", user={"token": "abc"})
            found = diagnose(node, lambda credentials=credentials: credentials, lambda: NOW)
        said[handler] = [each.remarks for each in found.examined if each.name == "node/pod-routes"]
    [[missing]] = said[WithNodes]
    assert missing.found == "there is no route to the pods of w (10.244.1.0/24), which should lead to 10.0.0.2"
    [[note]] = said[Restrictive]
    assert (note.level, "not with the cluster's Nodes: " in note.found) == ("note", True)


def test_who_may_read_little_is_told_what_could_not_be_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(control_plane, "_SLOW", 60.0)  # whatever else this machine has to do
    found = levels(token="abc")
    assert found.pop("cluster/api") == "fine"
    assert found.pop("cluster/api-certificate") == "unknown"
    assert found["cluster/nodes"] == "unknown"
    assert "problem" not in found.values()


def test_who_is_not_known_is_told_so() -> None:
    assert levels() == {"cluster/api": "problem"}
