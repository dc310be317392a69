"""The client against servers on the loopback: what it sends, and what it makes of answers, or of none."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from pykubeadm.errors import ApiError
from pykubeadm.kube.apply import retrying
from pykubeadm.kube.client import ClusterApi
from pykubeadm.kube.credentials import Credentials
from pykubeadm.kube.expiry import server_expiry_warning
from pykubeadm.kube.port import ApiStatusError, ApiUnreachableError, UntrustedServerError
from tests.support.servers import LOCALHOST, NOW, authority, ca_pem, context, running, serving

NODE = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "cp1"}}
ROLE = {
    "apiVersion": "rbac.authorization.k8s.io/v1",
    "kind": "Role",
    "metadata": {"name": "kubeadm:nodes", "namespace": "kube-system"},
}


class ApiServer(ThreadingHTTPServer):
    """Answers every request with `answer` and keeps (method, path, headers, document) of each."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), ApiHandler)
        self.answer: tuple[int, bytes] = (200, b"{}")
        self.asked: list[tuple[str, str, dict[str, str], Any]] = []
        self.open: list[socket.socket] = []
        self.hangs_up = False  # once, in place of an answer

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class ApiHandler(BaseHTTPRequestHandler):
    server: ApiServer
    protocol_version = "HTTP/1.1"

    def setup(self) -> None:
        super().setup()
        self.server.open.append(self.connection)

    def _answer(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        document = json.loads(self.rfile.read(length)) if length else None
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.server.asked.append((self.command, self.path, headers, document))
        if self.server.hangs_up:
            self.server.hangs_up, self.close_connection = False, True
            return
        status, body = self.server.answer
        self.send_response_only(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_CONNECT(self) -> None:
        self._answer()

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _answer  # noqa: N815  http.server's names


def api_server() -> AbstractContextManager[ApiServer]:
    return running(ApiServer())


@contextmanager
def client(server: str, *, dry_run: bool = False, path: str = "admin.conf", **user: Any) -> Iterator[ClusterApi]:
    api = ClusterApi(Credentials(server, path, ca_pem(), user=user), dry_run=dry_run)
    try:
        yield api
    finally:
        api.close()


def unused_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_paths_are_the_api_s() -> None:
    with api_server() as server, client(server.url) as api:
        api.get("v1", "Node", "cp1")
        api.get("rbac.authorization.k8s.io/v1", "Role", "kubeadm:nodes", "kube-system")
        api.get("certificates.k8s.io/v1", "CertificateSigningRequest", "csr-x/approval")
        api.list("v1", "Pod")
        api.list("v1", "Pod", "kube-system", labels={"tier": "control-plane", "component": "etcd"})
        api.list("v1", "Pod", fields={"spec.nodeName": "cp1"})
        assert [(method, path) for method, path, _, _ in server.asked] == [
            ("GET", "/api/v1/nodes/cp1"),
            ("GET", "/apis/rbac.authorization.k8s.io/v1/namespaces/kube-system/roles/kubeadm:nodes"),
            ("GET", "/apis/certificates.k8s.io/v1/certificatesigningrequests/csr-x/approval"),
            ("GET", "/api/v1/pods"),
            ("GET", "/api/v1/namespaces/kube-system/pods?labelSelector=tier%3Dcontrol-plane%2Ccomponent%3Detcd"),
            ("GET", "/api/v1/pods?fieldSelector=spec.nodeName%3Dcp1"),
        ]


def test_writes_name_their_author_and_a_dry_run_asks_that_nothing_be_stored() -> None:
    with api_server() as server, client(server.url) as api, client(server.url, dry_run=True) as rehearsal:
        api.create(ROLE)
        api.replace(NODE)
        api.patch("v1", "Node", "cp1", {"spec": {}}, how="strategic")
        api.patch("v1", "Node", "cp1", [{"op": "remove", "path": "/spec"}], how="json")
        assert api.delete("v1", "Node", "cp1")
        rehearsal.create(NODE)
        rehearsal.delete("v1", "Node", "cp1")
        assert [(method, path, document) for method, path, _, document in server.asked] == [
            ("POST", "/apis/rbac.authorization.k8s.io/v1/namespaces/kube-system/roles?fieldManager=pykubeadm", ROLE),
            ("PUT", "/api/v1/nodes/cp1?fieldManager=pykubeadm", NODE),
            ("PATCH", "/api/v1/nodes/cp1?fieldManager=pykubeadm", {"spec": {}}),
            ("PATCH", "/api/v1/nodes/cp1?fieldManager=pykubeadm", [{"op": "remove", "path": "/spec"}]),
            ("DELETE", "/api/v1/nodes/cp1", None),
            ("POST", "/api/v1/nodes?fieldManager=pykubeadm&dryRun=All", NODE),
            ("DELETE", "/api/v1/nodes/cp1?dryRun=All", None),
        ]
        assert [headers.get("content-type") for _, _, headers, _ in server.asked[:5]] == [
            "application/json",
            "application/json",
            "application/strategic-merge-patch+json",
            "application/json-patch+json",
            None,
        ]


@pytest.mark.parametrize(
    "request_of",
    [
        lambda api: api.get("v1", "Node", ""),
        lambda api: api.delete("v1", "Node", ""),
        lambda api: api.delete("coordination.k8s.io/v1", "Lease", "", "kube-node-lease"),
        lambda api: api.patch("v1", "Node", "", {}, how="merge"),
        lambda api: api.replace({"apiVersion": "v1", "kind": "Node", "metadata": {"name": ""}}),
    ],
)
def test_an_object_without_a_name_is_never_all_of_its_kind(request_of: Callable[[ClusterApi], object]) -> None:
    with api_server() as server, client(server.url) as api:
        with pytest.raises(ApiError, match="has no name"):
            request_of(api)
        assert server.asked == []


def test_what_is_no_object_is_asked_for_with_the_same_credentials() -> None:
    with api_server() as server, client(server.url, token="abc") as api:
        server.answer = (500, b"[-]etcd failed")
        answer = api.raw("/readyz")
        assert (answer.status, answer.body) == (500, b"[-]etcd failed")
        [(method, path, headers, _)] = server.asked
        assert (method, path, headers["authorization"]) == ("GET", "/readyz", "Bearer abc")
    with client(f"http://127.0.0.1:{unused_port()}") as api, pytest.raises(ApiUnreachableError, match="could not read /readyz"):
        api.raw("/readyz")


def test_items_of_a_list_know_their_kind() -> None:
    with api_server() as server, client(server.url) as api:
        server.answer = 200, json.dumps({"kind": "NodeList", "items": [{"metadata": {"name": "cp1"}}]}).encode()
        assert api.list("v1", "Node") == [NODE]
        server.answer = 200, b'{"kind": "NodeList", "items": null}'
        assert api.list("v1", "Node") == []


POD = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web-1", "namespace": "default", "uid": "7"}}


def test_a_pod_is_evicted_if_it_is_still_the_same() -> None:
    with api_server() as server, client(server.url) as api:
        api.evict(POD)
        method, path, _, document = server.asked[-1]
        assert (method, path) == ("POST", "/api/v1/namespaces/default/pods/web-1/eviction?fieldManager=pykubeadm")
        assert document["deleteOptions"] == {"preconditions": {"uid": "7"}}


def test_a_pod_that_is_gone_needs_no_eviction() -> None:
    with api_server() as server, client(server.url) as api:
        server.answer = 404, b'{"message": "pods \\"web-1\\" not found"}'
        api.evict(POD)
        assert [path.partition("?")[0] for _method, path, *_rest in server.asked] == [
            "/api/v1/namespaces/default/pods/web-1/eviction"
        ]


def test_the_budget_that_keeps_a_pod_is_named() -> None:
    cause = {"reason": "DisruptionBudget", "message": "The disruption budget web needs 2 healthy pods and has 2 currently"}
    status = {"message": "Cannot evict pod.", "reason": "TooManyRequests", "details": {"causes": [cause]}}
    with api_server() as server, client(server.url) as api:
        server.answer = 429, json.dumps(status).encode()
        with pytest.raises(
            ApiStatusError, match=r"could not evict Pod default/web-1: Cannot evict pod\. The disruption budget web"
        ):
            api.evict(POD)


def test_what_is_not_there_is_no_error() -> None:
    with api_server() as server, client(server.url) as api:
        server.answer = 404, b'{"kind": "Status", "message": "nodes \\"cp1\\" not found", "reason": "NotFound", "code": 404}'
        assert api.get("v1", "Node", "cp1") is None
        assert not api.delete("v1", "Node", "cp1")


def test_a_refusal_is_reported_in_the_server_s_words() -> None:
    with api_server() as server, client(server.url) as api:
        server.answer = 409, b'{"kind": "Status", "message": "the object has been modified", "reason": "Conflict", "code": 409}'
        with pytest.raises(ApiStatusError) as caught:
            api.replace(ROLE)
    assert str(caught.value) == "could not update Role kube-system/kubeadm:nodes: the object has been modified"
    assert (caught.value.code, caught.value.reason) == (409, "Conflict")


@pytest.mark.parametrize(
    "answer", [(503, b"<html>no server\nis available"), (302, b"<html>no server"), (200, b"<html>no server")]
)
def test_who_answers_otherwise_is_no_api_server(answer: tuple[int, bytes]) -> None:
    with api_server() as server, client(server.url) as api:
        server.answer = answer
        with pytest.raises(ApiStatusError, match=rf"could not read Node cp1: {server.url} answered {answer[0]}: <html>no server"):
            api.get("v1", "Node", "cp1")


def test_a_connection_serves_for_many_requests() -> None:
    with api_server() as server, client(server.url) as api:
        for _ in range(5):
            api.get("v1", "Node", "cp1")
        assert len(server.open) == 1


def test_the_certificate_that_the_server_shows_is_known_once_it_was_asked() -> None:
    end = (NOW + timedelta(days=12)).replace(microsecond=0)
    server = ApiServer()
    server.socket = context(authority(), NOW - timedelta(hours=1), end, LOCALHOST).wrap_socket(server.socket, server_side=True)
    with running(server), client(server.url.replace("http:", "https:")) as api:
        assert server_expiry_warning(api, NOW) is None
        api.get("v1", "Node", "cp1")
        warning = server_expiry_warning(api, end - timedelta(days=12)) or ""
        assert warning.startswith(f"the certificate of the API server at {api.server} expires in 12d: run `pykubeadm certs renew")
        assert server_expiry_warning(api, end - timedelta(days=30)) is None


def test_a_connection_that_the_server_gave_up_is_replaced() -> None:
    with api_server() as server, client(server.url) as api:
        api.get("v1", "Node", "cp1")
        for connection in server.open:
            connection.shutdown(socket.SHUT_RDWR)
        api.create(NODE)
        assert len(server.open) == 2


def test_who_hangs_up_on_a_kept_connection_is_asked_again_unless_that_could_be_done_twice() -> None:
    with api_server() as server, client(server.url) as api:
        api.get("v1", "Node", "cp1")
        server.hangs_up = True
        api.get("v1", "Node", "cp1")
        server.hangs_up = True
        with pytest.raises(ApiUnreachableError, match="it closed the connection"):
            api.create(NODE)
        assert [method for method, _, _, _ in server.asked] == ["GET", "GET", "GET", "POST"]


def test_a_connection_that_was_not_used_for_long_is_not_trusted(monkeypatch) -> None:
    with api_server() as server, client(server.url) as api:
        api.get("v1", "Node", "cp1")
        monkeypatch.setattr("pykubeadm.transport.connections._KEPT", 0.0)
        api.get("v1", "Node", "cp1")
        assert len(server.open) == 2


def test_nobody_listens() -> None:
    server = f"https://127.0.0.1:{unused_port()}"
    with client(server) as api, pytest.raises(ApiUnreachableError) as caught:
        api.get("v1", "Node", "cp1")
    assert str(caught.value) == f"could not read Node cp1: no answer from {server}: connection refused"


@pytest.mark.parametrize(
    "server",
    [
        "https://cp1:port",
        "https://127.0.0.1:99999",
        "https://cp1:0",
        "https://[::1",
        "https://a..b:6443",
        f"https://{'a' * 64}:6443",
        "https://:6443",
        "10.0.0.1:6443",
        "htps://cp1:6443",
        "https://cp1:6443/a b",
        "https://cp1:6443/ü",
        "",
    ],
)
def test_what_is_no_url_of_a_server_is_not_asked(server: str) -> None:
    with pytest.raises(ApiError) as caught:
        ClusterApi(Credentials(server, "admin.conf", user={"token": "secret"}))
    assert str(caught.value) == f'admin.conf: "{server}" is not the URL of a server, which looks like https://10.0.0.1:6443'
    assert not isinstance(caught.value, ApiUnreachableError)  # which would be tried again


@pytest.mark.parametrize(
    ("server", "address"), [("https://[fd00::1]", ("fd00::1", 443)), ("https://[fd00::1]:6443/base", ("fd00::1", 6443))]
)
def test_an_ipv6_address_is_not_taken_apart(monkeypatch, server: str, address: tuple[str, int]) -> None:
    asked = []
    monkeypatch.setattr("socket.create_connection", lambda place, *_: asked.append(place) or pytest.fail("not reached"))
    with pytest.raises(pytest.fail.Exception):
        ClusterApi(Credentials(server)).get("v1", "Node", "cp1")
    assert asked == [address]


def test_a_name_that_nobody_knows() -> None:
    with client("https://nowhere.invalid:6443") as api, pytest.raises(ApiUnreachableError, match=r":6443: .*(known|resol)"):
        api.get("v1", "Node", "cp1")


def test_a_server_of_another_cluster_is_not_asked_again() -> None:
    with serving(ca=authority("another")) as server:
        api = ClusterApi(Credentials(f"https://{server.endpoint}", "admin.conf", ca_pem()))
        with pytest.raises(UntrustedServerError) as caught:
            retrying(lambda: api.get("v1", "Node", "cp1"), timedelta(minutes=1))
        api.close()
    assert str(caught.value).startswith(
        f"could not read Node cp1: https://{server.endpoint} cannot be trusted, its certificate is not accepted: it is signed by "
        "another certificate authority; another program answers there"
    )
    assert "tried for" not in str(caught.value)


def test_a_server_whose_certificate_is_of_tomorrow() -> None:
    tomorrow = NOW + timedelta(days=1)
    with (
        serving(begin=tomorrow, end=tomorrow + timedelta(days=1)) as server,
        client(f"https://{server.endpoint}") as api,
        pytest.raises(UntrustedServerError, match=r"it is not valid yet; is this machine's clock right \(timedatectl\)"),
    ):
        api.get("v1", "Node", "cp1")


@pytest.mark.parametrize(
    ("user", "header"),
    [
        ({"token": "abcdef.0123456789abcdef"}, "Bearer abcdef.0123456789abcdef"),
        ({"username": "jane", "password": "pass:word"}, "Basic amFuZTpwYXNzOndvcmQ="),
        ({}, None),
    ],
)
def test_the_kubeconfig_s_user_asks(user: dict[str, str], header: str | None) -> None:
    with api_server() as server, client(server.url, **user) as api:
        api.get("v1", "Node", "cp1")
        assert server.asked[0][2].get("authorization") == header


@pytest.mark.parametrize("token", ["sécret", "two words", "one\ntwo"])
def test_a_token_that_cannot_be_sent_is_not_repeated(token: str) -> None:
    with pytest.raises(ApiError) as caught:
        ClusterApi(Credentials("https://cp1:6443", "admin.conf", user={"token": token}))
    assert str(caught.value) == "the token of admin.conf cannot be sent: it holds spaces, or other characters than ASCII"


def test_a_token_may_end_with_its_line() -> None:
    with api_server() as server, client(server.url, token="abc\n") as api:
        api.get("v1", "Node", "cp1")
        assert server.asked[0][2]["authorization"] == "Bearer abc"


def test_a_token_file_lies_beside_its_kubeconfig(tmp_path) -> None:
    (tmp_path / "token").write_text("abc\n")
    path = str(tmp_path / "admin.conf")
    with api_server() as server, client(server.url, path=path, tokenFile="token", token="old") as api:
        api.get("v1", "Node", "cp1")
        assert server.asked[0][2]["authorization"] == "Bearer abc"
    with pytest.raises(ApiError, match=r"the token file gone of .*admin\.conf cannot be read"):
        ClusterApi(Credentials("https://cp1", path, user={"tokenFile": "gone"}))


@pytest.mark.parametrize(
    ("file", "why"),
    [
        ("gone", "cannot be read: No such file or directory"),
        ("pipe", "cannot be read: it is not a file"),
        ("a\0b", "cannot be read: that is not a file's name"),
        ("empty", "is empty"),
    ],
)
def test_a_token_file_that_holds_none_is_named(file, why, tmp_path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "empty").write_text("\n")
    path = str(tmp_path / "admin.conf")
    with pytest.raises(ApiError) as caught:
        ClusterApi(Credentials("https://cp1", path, user={"tokenFile": file}))
    assert str(caught.value) == f"the token file {file} of {path} {why}"


def test_the_environment_s_proxy_is_asked_for_the_way_as_its_user(monkeypatch) -> None:
    with api_server() as proxy:
        proxy.answer = 502, b""
        monkeypatch.setenv("https_proxy", f"jane:pass%20word@127.0.0.1:{proxy.server_port}")
        monkeypatch.setenv("no_proxy", "10.0.0.0/8")
        with (
            client("https://api.example.com:6443") as api,
            pytest.raises(ApiUnreachableError, match="the proxy answered 502"),
        ):
            api.get("v1", "Node", "cp1")
        method, path, headers, _ = proxy.asked[0]
        assert (method, path) == ("CONNECT", "api.example.com:6443")
        assert headers["proxy-authorization"] == "Basic amFuZTpwYXNzIHdvcmQ="


def test_the_kubeconfig_s_own_proxy_comes_first(monkeypatch) -> None:
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:1")
    monkeypatch.setenv("no_proxy", "api.example.com")
    with api_server() as proxy:
        proxy.answer = 502, b""
        cluster = {"proxy-url": f"http://127.0.0.1:{proxy.server_port}"}
        with pytest.raises(ApiUnreachableError, match="the proxy answered 502"):
            ClusterApi(Credentials("https://api.example.com:6443", cluster=cluster)).get("v1", "Node", "cp1")
        assert proxy.asked[0][:2] == ("CONNECT", "api.example.com:6443")


def test_a_proxy_s_url_is_reported_without_its_password(monkeypatch) -> None:
    monkeypatch.setenv("https_proxy", "http://jane:se#cret@proxy:3128")
    monkeypatch.delenv("no_proxy", raising=False)
    with pytest.raises(ApiError) as caught:
        ClusterApi(Credentials("https://api.example.com:6443"))
    assert str(caught.value).startswith('"http://proxy:3128" is not the URL of a server')


@pytest.mark.parametrize("proxy", ["https://proxy:3128", "socks5://user:secret@proxy:1080"])
def test_other_proxies_are_refused_without_their_password(monkeypatch, proxy: str) -> None:
    monkeypatch.setenv("https_proxy", proxy)
    monkeypatch.delenv("no_proxy", raising=False)
    with pytest.raises(ApiError, match="only HTTP proxies are supported; name one of those") as caught:
        ClusterApi(Credentials("https://api.example.com:6443"))
    assert "secret" not in str(caught.value)


def test_the_local_api_server_is_asked_past_any_proxy(monkeypatch) -> None:
    monkeypatch.setenv("https_proxy", f"http://127.0.0.1:{unused_port()}")
    monkeypatch.delenv("no_proxy", raising=False)
    with serving() as server:
        server.answers = [(200, b"{}")]
        api = ClusterApi(Credentials("https://api.example.com:6443", ca=ca_pem()), server=f"https://{server.endpoint}")
        api.get("v1", "Node", "cp1")
        api.close()
        assert server.asked == ["/api/v1/nodes/cp1"]
