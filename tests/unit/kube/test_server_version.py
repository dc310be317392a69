"""Which version the API server at an endpoint says that it is."""

from __future__ import annotations

import pytest

from pykubeadm.errors import ApiError
from pykubeadm.kube.credentials import Credentials
from pykubeadm.kube.server_version import server_version
from tests.support.servers import serving


def test_each_question_goes_to_whoever_answers_then() -> None:
    with serving(plain=True) as server:
        server.answers = [(200, b'{"gitVersion": "v1.36.2"}'), (200, b'{"gitVersion": "v1.35.6+ours"}')]
        credentials = Credentials(f"http://{server.endpoint}")
        assert [str(server_version(credentials)) for _ in range(2)] == ["v1.36.2", "v1.35.6+ours"]
    assert server.asked == ["/version", "/version"]


@pytest.mark.parametrize("answer", [(503, b"no server is available"), (200, b"{}"), (200, b"[]"), (200, b'{"gitVersion": "x"}')])
def test_what_is_no_version(answer: tuple[int, bytes]) -> None:
    with serving(plain=True) as server:
        server.answers = [answer]
        with pytest.raises(ApiError, match=f"does not say its version: it answered {answer[0]}"):
            server_version(Credentials(f"http://{server.endpoint}"))


def test_nobody_answers() -> None:
    with pytest.raises(ApiError, match="does not say its version: "):
        server_version(Credentials("http://127.0.0.1:1"))
