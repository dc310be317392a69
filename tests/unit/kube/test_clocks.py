"""Which clocks of a cluster are off, by what kubelets and API servers say of the time."""

from __future__ import annotations

import re
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta

import pytest

from pykubeadm.kube.clocks import compare_clocks
from pykubeadm.util.kube_object import KubeObject
from tests.support.api import FakeApi
from tests.support.clocks import BEGAN, kubelets, renewed
from tests.support.servers import serving


def apart(api: FakeApi) -> list[str]:
    return [str(each) for each in compare_clocks(api, lambda: datetime.now(UTC)).apart]


@pytest.mark.parametrize("ahead", [0.0, 0.999, 4.9, -4.9])
def test_clocks_that_agree_take_no_time(monkeypatch: pytest.MonkeyPatch, ahead: float) -> None:
    api = FakeApi()
    there = kubelets(monkeypatch, api, cp=0, w=ahead)
    assert apart(api) == []
    assert there.slept == 0
    assert compare_clocks(api, lambda: BEGAN).nodes == ("cp", "w")


@pytest.mark.parametrize(
    ("ahead", "said"),
    [
        (6.0, "6s ahead of"),
        (-6.0, "6s behind"),
        (-300.0, "5m behind"),
        (3 * 86400.0, "3d ahead of"),
        ((-30.0, -8.0), "8s behind"),  # that first write was late, too
    ],
)
def test_a_clock_is_off_that_two_writes_show(
    monkeypatch: pytest.MonkeyPatch, ahead: float | tuple[float, ...], said: str
) -> None:
    api = FakeApi()
    there = kubelets(monkeypatch, api, cp=0, w=ahead)
    assert apart(api) == [f"the clock of w is {said} that of the API server"]
    assert 10 < there.slept < 12


def test_one_late_write_is_no_clock_that_is_off(monkeypatch: pytest.MonkeyPatch) -> None:
    api = FakeApi()
    kubelets(monkeypatch, api, cp=0, w=(-9.0, -0.2))
    assert apart(api) == []


def test_a_kubelet_that_has_stopped_says_nothing_of_its_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    api = FakeApi()
    there = kubelets(monkeypatch, api, "gone", gone=-300, w=90)
    assert apart(api) == ["the clock of w is 90s ahead of that of the API server"]
    assert there.slept == 20  # half of the Lease's duration


@pytest.mark.parametrize("field", ["managedFields", "renewTime"])
def test_a_lease_that_does_not_say_when_it_was_written_is_left_out(field: str) -> None:
    api, lease = FakeApi(), renewed("w", BEGAN, -300)
    del lease["metadata" if field == "managedFields" else "spec"][field]
    api.put(lease)
    assert compare_clocks(api, lambda: BEGAN).nodes == ()


def endpoint(number: int, port: int) -> KubeObject:
    """A piece of the Service "kubernetes". (The real one has one address for each, and one port.)"""
    metadata = {"name": f"kubernetes-{number}", "namespace": "default", "labels": {"kubernetes.io/service-name": "kubernetes"}}
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": metadata,
        "ports": [{"port": port}],
        "endpoints": [{"addresses": ["127.0.0.1"]}],
    }


@pytest.mark.parametrize(
    ("ahead", "said"),
    [
        ((0, 3, -1), []),
        ((0, 120, 1), ["the clock of the API server at 2 is 119s ahead of that of the one at 3"]),
        ((0, -60), ["the clock of the API server at 1 is 60s ahead of that of the one at 2"]),
        ((500,), []),  # with nobody to differ from
    ],
)
def test_api_servers_are_compared_with_each_other(ahead: tuple[int, ...], said: list[str]) -> None:
    """Whatever this machine's clock says, and but for one that does not answer."""
    api, now = FakeApi(), datetime(2020, 1, 1, tzinfo=UTC)
    with ExitStack() as stack:
        for number, seconds in enumerate(ahead, 1):
            server = stack.enter_context(serving(date=datetime(2026, 5, 1, tzinfo=UTC) + timedelta(seconds=seconds)))
            server.answers = [(401, b"{}")]
            api.put(endpoint(number, server.server_port))
        api.put(endpoint(9, 1))
        found = compare_clocks(api, lambda: now)
    sentences = [
        re.sub(r"127.0.0.1:\d+", lambda place: str(found.servers.index(place[0]) + 1), str(each)) for each in found.apart
    ]
    assert sentences == said
    assert not any(each.node for each in found.apart)
