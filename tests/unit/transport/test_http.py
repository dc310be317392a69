"""Why there was no answer, in words for people: none of OpenSSL's, none of Python's."""

from __future__ import annotations

import http.client
import re
import socket
import ssl
import threading

import pytest

from pykubeadm.errors import ApiError
from pykubeadm.pki.sans import Names
from pykubeadm.pki.tls import client_context
from pykubeadm.transport.http import UnansweredError, exchange
from tests.support.servers import NOW, authority, ca_pem, serving, timedelta


def reason(url: str, *, timeout: float = 60) -> str:
    with pytest.raises(UnansweredError) as caught:
        exchange(url, timeout=timeout, tls=client_context(ca_pem()))
    said = str(caught.value)
    assert not re.search(r"_ssl|SSL|Errno|\[", said)
    return said


def test_an_answer_has_status_body_and_the_servers_time() -> None:
    with serving() as server:
        server.answers = [(404, b"no")]
        answer = exchange(f"https://{server.endpoint}/x?y=1", timeout=60, tls=client_context(ca_pem()))
        assert (answer.status, answer.body, server.asked) == (404, b"no", ["/x?y=1"])
        assert answer.date.endswith("GMT")


def test_certificates_that_are_not_accepted() -> None:
    begin = NOW + timedelta(days=1)
    for options, why in (
        ({"ca": authority("other")}, "it is signed by another certificate authority"),
        ({"names": Names(dns=("other",))}, "it is not for this address"),
        ({"begin": NOW - timedelta(days=2), "end": NOW - timedelta(days=1)}, "it has expired"),
        ({"begin": begin, "end": begin + timedelta(days=1)}, "it is not valid yet"),
    ):
        with serving(**options) as server:
            assert reason(f"https://{server.endpoint}") == f"its certificate is not accepted: {why}"


def test_who_does_not_speak_tls() -> None:
    with serving(plain=True) as server:
        assert reason(f"https://{server.endpoint}").startswith("it does not speak TLS as is needed here")


def test_who_does_not_answer() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        assert reason(f"http://127.0.0.1:{port}", timeout=0.1) == "no answer within 0.1 s"
    assert reason(f"http://127.0.0.1:{port}") == "connection refused"


@pytest.mark.parametrize(("said", "why"), [(b"", "it closed the connection"), (b"SSH-2.0-x\r\n", "it does not speak HTTP")])
def test_who_says_something_else(said: bytes, why: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def answer() -> None:
            connection = listener.accept()[0]
            with connection:
                connection.recv(4096)
                connection.sendall(said)

        thread = threading.Thread(target=answer)
        thread.start()
        assert reason(f"http://127.0.0.1:{listener.getsockname()[1]}") == why
        thread.join()


@pytest.mark.parametrize(
    ("failure", "why"),
    [
        (
            OSError("Tunnel connection failed: 407 Proxy Authentication Required"),
            "the proxy answered 407 Proxy Authentication Required",
        ),
        (OSError(113, "No route to host"), "no route to host"),
        (http.client.IncompleteRead(b"x"), "it does not speak HTTP"),
        (ssl.SSLError(1, "[SSL] PEM lib (_ssl.c:4149)"), "it does not speak TLS as is needed here"),
    ],
    ids=range(4),
)
def test_other_failures(failure: OSError, why: str) -> None:
    assert str(UnansweredError(failure, 5)) == why


@pytest.mark.parametrize("url", ["https://cp1:port", "cp1:6443", "https://", "ftp://cp1"])
def test_what_is_no_url_of_a_server(url: str) -> None:
    with pytest.raises(ApiError, match="is not the URL of a server"):
        exchange(url, timeout=1)
