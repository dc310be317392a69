"""One holder at a time; a holder that is gone does not keep the others out."""

import threading
from datetime import timedelta

import pytest

from pykubeadm.errors import PhaseError
from pykubeadm.kube import lease
from pykubeadm.kube.port import ApiStatusError, ApiUnreachableError
from pykubeadm.util import retry
from tests.support.api import FakeApi

NAME = "pykubeadm-etcd-join"


@pytest.fixture(autouse=True)
def clock(monkeypatch):
    """Time passes by sleeping only."""

    class Clock:
        now = 1000.0

        def monotonic(self):
            return self.now

        def sleep(self, seconds):
            self.now += seconds

    found = Clock()
    monkeypatch.setattr(lease, "time", found)
    monkeypatch.setattr(retry, "time", found)
    return found


def holder(api: FakeApi) -> str:
    found = api.get("coordination.k8s.io/v1", "Lease", NAME, "kube-system")
    return found["spec"]["holderIdentity"] if found else ""


def held(api: FakeApi, name: str, *, timeout: float = 60, report=lambda _who: None):
    return lease.held(api, NAME, name, timeout=timedelta(seconds=timeout), report=report)


def test_it_is_made_held_and_freed():
    api = FakeApi()
    with held(api, "a"):
        assert holder(api) == "a"
    assert holder(api) == ""
    with held(api, "b"):
        assert holder(api) == "b"


def test_it_is_freed_where_the_work_fails():
    api = FakeApi()
    with pytest.raises(ValueError), held(api, "a"):
        raise ValueError
    assert holder(api) == ""


def test_ones_own_of_a_killed_run_is_taken_at_once(clock):
    api, began = FakeApi(), clock.now
    lease._acquire(api, NAME, "a", timedelta(seconds=1), lambda _who: None)
    with held(api, "a"):
        assert clock.now == began


def test_one_that_is_renewed_is_waited_for_in_vain():
    api = FakeApi()
    lease._acquire(api, NAME, "a", timedelta(seconds=1), lambda _who: None)
    reported: list[str] = []

    def report(who: str) -> None:
        reported.append(who)
        lease._write_if_ours(api, NAME, "a", "a")

    with pytest.raises(PhaseError, match="a has the Lease kube-system/pykubeadm-etcd-join"), held(api, "b", report=report):
        pass
    assert holder(api) == "a"
    assert reported[0] == "a has the Lease kube-system/pykubeadm-etcd-join"


def test_one_that_is_no_longer_renewed_is_taken_over(clock):
    api, began = FakeApi(), clock.now
    lease._acquire(api, NAME, "a", timedelta(seconds=1), lambda _who: None)
    with held(api, "b"):
        assert holder(api) == "b"
    assert 20 < clock.now - began < 25


class Watched(FakeApi):
    """Says when its Lease has been written so many times."""

    def __init__(self, **fields):
        super().__init__(**fields)
        self.awaited = 0
        self.reached = threading.Event()

    def until(self, writes: int) -> None:
        self.awaited = len(self.writes) + writes
        self.reached.clear()
        assert self.reached.wait(10)

    def replace(self, document):
        stored = super().replace(document)
        if len(self.writes) >= self.awaited:
            self.reached.set()
        return stored


def test_it_is_renewed_while_it_is_held(monkeypatch):
    monkeypatch.setattr(lease, "_RENEW_EVERY", 0.001)
    api = Watched()
    with held(api, "a"):
        api.until(3)
        assert holder(api) == "a"
    assert holder(api) == ""


@pytest.mark.parametrize("code", [409, 429, 503])
def test_an_api_server_that_is_busy_is_asked_again(code):
    api = FakeApi(failures=[ApiStatusError("not now", code=code)])
    with held(api, "a"):
        assert holder(api) == "a"


def test_one_that_may_not_be_written_is_reported_at_once(clock):
    api, began = FakeApi(failures=[ApiStatusError("not yours", code=403)]), clock.now
    with pytest.raises(ApiStatusError, match="not yours"), held(api, "a"):
        pass
    assert clock.now == began


def test_an_outage_while_it_is_held_does_no_harm(monkeypatch):
    monkeypatch.setattr(lease, "_RENEW_EVERY", 0.001)
    api = Watched()
    with held(api, "a"):
        api.failures += [ApiUnreachableError("gone"), ApiStatusError("no leader", code=500)]
        api.until(1)
        assert holder(api) == "a"
        assert not api.failures


def test_time_in_which_nobody_could_renew_it_does_not_count(clock):
    """After an outage its holder has the whole of its time to come back."""
    api, began = FakeApi(), clock.now
    lease._acquire(api, NAME, "a", timedelta(seconds=1), lambda _who: None)
    api.failures += [ApiUnreachableError("gone")] * 60  # half a second each
    with held(api, "b", timeout=120):
        assert 50 < clock.now - began < 55
