"""The kubelet is told of the mirror pod's change until it has begun with the new pod."""

from __future__ import annotations

from typing import Any

import pytest

from pykubeadm.kube.port import ApiUnreachableError
from pykubeadm.phases.replacing import waking
from pykubeadm.phases.replacing.waking import CONFIG_HASH, Waker
from tests.support.api import FakeApi
from tests.support.node import FakeNode
from tests.support.upgrade_runs import upgrade_run

NAME = "kube-scheduler-cp1"
POD = ("v1", "Pod", "kube-system", NAME)


class Clock:
    now = 100.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    found = Clock()
    monkeypatch.setattr(waking, "time", found)
    return found


def mirror(api: FakeApi, uid: str) -> None:
    metadata: dict[str, Any] = {"name": NAME, "namespace": "kube-system", "annotations": {CONFIG_HASH: uid}}
    api.objects.pop(POD, None)
    api.put({"apiVersion": "v1", "kind": "Pod", "metadata": metadata})


def waker(api: FakeApi, clock: Clock) -> Waker:
    return Waker(upgrade_run(FakeNode(), api)[0], "kube-scheduler", "old", clock.now)


def test_once_a_second_until_the_mirror_pod_is_the_new_ones(clock: Clock) -> None:
    api = FakeApi()
    mirror(api, "old")
    wake, changes = waker(api, clock), []
    for _ in range(40):
        wake()
        changes.append(api.objects[POD]["metadata"]["annotations"].get("pykubeadm.kube/looked-for"))
        clock.now += 0.25
    assert [changes.index(change) for change in dict.fromkeys(changes)] == [0, *range(4, 40, 4)]
    mirror(api, "new")
    for _ in range(40):
        wake()
        clock.now += 0.25
    assert len([write for write in api.writes if write[0] == "patch"]) == 9 + 1


def test_an_api_server_that_does_not_answer_or_know_the_pod_does_no_harm(clock: Clock) -> None:
    api = FakeApi(failures=[ApiUnreachableError("gone")])
    wake = waker(api, clock)
    for _ in range(3):
        clock.now += 1
        wake()
    assert api.writes == []
    mirror(api, "old")
    clock.now += 1
    wake()
    assert api.writes == [("patch", "Pod", NAME)]
