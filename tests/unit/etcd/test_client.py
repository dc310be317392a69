"""The JSON gateway's forms, as etcd 3.5 and 3.6 answer them."""

import json
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from pykubeadm.etcd.client import (
    ClusterUnhealthyError,
    EtcdClient,
    EtcdError,
    EtcdUnreachableError,
    LearnerNotReadyError,
    Member,
    MemberNotFoundError,
    NotALearnerError,
    TooManyLearnersError,
    tls_context,
)


@contextmanager
def gateway(status: int, answer: object, asked: list | None = None):
    """An HTTP server that answers every POST the same; yields its URL."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if asked is not None:
                asked.append((self.path, json.loads(body)))
            content = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *args):
            """Quiet."""

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def refused(message: str, code: int = 9) -> dict:
    return {"error": message, "code": code, "message": message}


MEMBERS = {
    "header": {"cluster_id": "14841639068965178418", "member_id": "10276657743932975437", "raft_term": "2"},
    "members": [
        {
            "ID": "10276657743932975437",
            "name": "cp1",
            "peerURLs": ["https://10.0.0.1:2380"],
            "clientURLs": ["https://10.0.0.1:2379"],
        },
        {"ID": "77", "peerURLs": ["https://10.0.0.2:2380"], "isLearner": True},
    ],
}


def test_members_have_64_bit_ids_and_those_that_never_started_no_name():
    with gateway(200, MEMBERS) as url:
        first, second = EtcdClient([url], None).members()
    assert first == Member(10276657743932975437, "cp1", ("https://10.0.0.1:2380",), ("https://10.0.0.1:2379",))
    assert second == Member(77, "", ("https://10.0.0.2:2380",), (), learner=True)
    assert first.started
    assert not second.started


def test_a_learner_is_added_by_its_peer_url():
    asked: list = []
    with gateway(200, MEMBERS, asked) as url:
        EtcdClient([url], None).add_learner("https://[fd00::2]:2380")
    assert asked == [("/v3/cluster/member/add", {"peerURLs": ["https://[fd00::2]:2380"], "isLearner": True})]


@pytest.mark.parametrize(
    ("status", "message", "kind"),
    [
        (400, "etcdserver: too many learner members in cluster", TooManyLearnersError),
        (400, "etcdserver: can only promote a learner member which is in sync with leader", LearnerNotReadyError),
        (400, "etcdserver: can only promote a learner member", NotALearnerError),
        (404, "etcdserver: member not found", MemberNotFoundError),
        (500, "something new", EtcdError),
    ],
)
def test_refusals_are_reported_apart(status, message, kind):
    with gateway(status, refused(message)) as url, pytest.raises(EtcdError, match=message) as error:
        EtcdClient([url], None).promote(77)
    assert type(error.value) is kind


def test_the_next_endpoint_is_asked_where_one_is_down():
    with gateway(200, MEMBERS) as url:
        assert len(EtcdClient(["http://127.0.0.1:1", url], None).members()) == 2


@pytest.mark.parametrize("refusal", ["etcdserver: rpc not supported for learner", "etcdserver: no leader"])
def test_the_next_endpoint_is_asked_where_one_is_a_learner_or_cut_off(refusal):
    with gateway(503, refused(refusal)) as cannot, gateway(200, MEMBERS) as can:
        assert len(EtcdClient([cannot, can], None).members()) == 2


def test_an_etcd_without_a_leader_is_unhealthy_not_unreachable():
    with gateway(503, refused("etcdserver: no leader")) as url, pytest.raises(ClusterUnhealthyError, match="no leader"):
        EtcdClient([url, "http://127.0.0.1:1"], None).members()


def test_the_endpoint_that_answered_is_asked_first_from_then_on():
    with gateway(200, MEMBERS) as url:
        client = EtcdClient(["http://127.0.0.1:1", url], None)
        client.members()
        assert client.endpoints == (url, "http://127.0.0.1:1")


def test_all_that_was_tried_is_named_where_none_answers():
    with pytest.raises(EtcdUnreachableError, match=r"127\.0\.0\.1:1 cannot be reached.*127\.0\.0\.1:2 cannot be reached"):
        EtcdClient(["http://127.0.0.1:1", "http://127.0.0.1:2"], None).members()


def test_a_missing_gateway_is_explained():
    with gateway(404, b"404 page not found") as url, pytest.raises(EtcdUnreachableError, match="enable-grpc-gateway"):
        EtcdClient([url], None).members()


def test_health_names_the_reason():
    status = {"header": {"member_id": "5"}, "version": "3.6.8", "leader": "5"}
    with (
        gateway(200, status) as well,
        gateway(200, {**status, "leader": "0"}) as lost,
        gateway(200, {**status, "errors": ["NOSPACE"]}) as full,
    ):
        members = [
            Member(1, "well", ("p1",), (well,)),
            Member(2, "lost", ("p2",), (lost,)),
            Member(3, "full", ("p3",), (full,)),
            Member(4, "", ("p4",)),
        ]
        found = EtcdClient([well], None).unhealthy(members)
    assert found == {2: "it sees no leader", 3: "NOSPACE", 4: "it has never started"}


def test_values_are_read_in_parts():
    encoded = {"kvs": [{"key": "L2Ev", "value": "eA=="}, {"key": "L2EvYg=="}]}
    asked: list = []
    with gateway(200, encoded, asked) as url:
        assert list(EtcdClient([url], None).values("/a/")) == [("/a/", b"x"), ("/a/b", b"")]
    assert asked == [("/v3/kv/range", {"key": "L2Ev", "range_end": "L2Ew", "limit": 100})]


def test_the_next_part_begins_behind_the_last_key():
    parts = [{"kvs": [{"key": "L2Ev"}], "more": True}, {"kvs": [{"key": "L2EvYg=="}]}]
    asked: list = []
    client = EtcdClient(["http://192.0.2.1"], None)
    client._ask = lambda _path, body: asked.append(body["key"]) or parts.pop(0)
    assert [key for key, _value in client.values("/a/")] == ["/a/", "/a/b"]
    assert asked == ["L2Ev", "L2EvAA=="]


def test_keys_that_do_not_fit_are_named():
    with pytest.raises(EtcdError, match="etcd's CA holds no certificate"):
        tls_context(b"not PEM", b"", b"")
