"""Draining a node: what goes and what stays, whom PodDisruptionBudgets keep, and whose cordon it is."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from pykubeadm.errors import PhaseError
from pykubeadm.kube.port import ApiStatusError, ApiUnreachableError
from pykubeadm.kube.recording import RecordingApi
from pykubeadm.phases.cluster import drain as module
from pykubeadm.phases.cluster.drain import CORDONED, cordon, drain, sort_pods, uncordon
from pykubeadm.util import retry
from pykubeadm.util.kube_object import KubeObject
from tests.support.api import FakeApi

NODE = "w1"
MINUTE = timedelta(minutes=1)
BUDGET = (
    "Cannot evict pod as it would violate the pod's disruption budget."
    " The disruption budget web needs 2 healthy pods and has 2 currently"
)


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Time passes by sleeping only."""
    now = [1000.0]
    for each in (module, retry):
        monkeypatch.setattr(each.time, "monotonic", lambda: now[0])
        monkeypatch.setattr(each.time, "sleep", lambda seconds: now.__setitem__(0, now[0] + seconds))


def pod(name: str, owner: str = "ReplicaSet", *, node: str = NODE, **fields: Any) -> KubeObject:
    owners = [{"kind": owner, "name": "web", "controller": True}] if owner else []
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": "default", "ownerReferences": owners} | fields.pop("metadata", {}),
        "spec": {"nodeName": node} | fields.pop("spec", {}),
        "status": {"phase": "Running"} | fields.pop("status", {}),
    }


SCRATCH = {"volumes": [{"name": "scratch", "emptyDir": {}}]}


def cluster(*pods: KubeObject, api: FakeApi | None = None, **spec: Any) -> FakeApi:
    api = api or FakeApi()
    api.put({"apiVersion": "v1", "kind": "Node", "metadata": {"name": NODE}, "spec": spec})
    for each in pods:
        api.put(each)
    return api


def names(api: FakeApi) -> list[str]:
    return sorted(found["metadata"]["name"] for found in api.list("v1", "Pod"))


def node(api: FakeApi) -> KubeObject:
    found = api.get("v1", "Node", NODE)
    assert found is not None
    return found


def is_cordoned(api: FakeApi) -> bool:
    return bool(node(api)["spec"].get("unschedulable"))


def test_what_comes_back_elsewhere_goes_and_the_rest_stays() -> None:
    mirrored = pod("kube-proxy-static", "Node", metadata={"annotations": {"kubernetes.io/config.mirror": "5"}})
    ended = pod("done", "", status={"phase": "Succeeded"})
    api = cluster(pod("web-1"), pod("job-1", "Job"), pod("agent", "DaemonSet"), mirrored, ended, pod("other", node="w2"))
    assert drain(api, NODE, MINUTE) == [f"cordoned node {NODE}", "evicted Pod default/web-1", "evicted Pod default/job-1"]
    assert names(api) == ["agent", "done", "kube-proxy-static", "other"]
    assert is_cordoned(api)


def test_a_second_drain_has_nothing_to_do() -> None:
    api = cluster(pod("web-1"), pod("agent", "DaemonSet"))
    drain(api, NODE, MINUTE)
    assert drain(api, NODE, MINUTE) == []


@pytest.mark.parametrize(
    ("kept", "sentence"),
    [
        (pod("lonely", ""), "Pod default/lonely: no controller would make it again; delete or move"),
        (pod("cache-1", spec=SCRATCH), "Pod default/cache-1: it keeps data in an emptyDir; .*--delete-emptydir-data"),
    ],
)
def test_pods_that_would_be_lost_are_refused_before_anything_changes(kept: KubeObject, sentence: str) -> None:
    api = cluster(pod("web-1"), kept)
    with pytest.raises(PhaseError, match=rf"node w1 cannot be drained: {sentence}"):
        drain(api, NODE, MINUTE)
    assert api.writes == []


def test_data_of_emptydirs_goes_where_that_is_wanted() -> None:
    api = cluster(pod("cache-1", spec=SCRATCH))
    drain(api, NODE, MINUTE, delete_emptydir_data=True)
    assert names(api) == []


def test_pods_of_daemonsets_with_emptydirs_stay() -> None:
    assert sort_pods([pod("agent", "DaemonSet", spec=SCRATCH)], delete_emptydir_data=False) == module.Pods((), {})


class Guarded(FakeApi):
    """Pods named web-… are kept by a budget for the first `refusals` questions."""

    refusals = 1000
    asked = 0

    def evict(self, pod: KubeObject) -> None:
        if pod["metadata"]["name"].startswith("web-"):
            self.asked += 1
            if self.asked <= self.refusals:
                raise ApiStatusError(f"could not evict Pod default/{pod['metadata']['name']}: {BUDGET}", code=429)
        super().evict(pod)


def test_a_budget_that_allows_it_later_is_waited_for() -> None:
    api = Guarded()
    api.refusals = 3
    reported: list[str] = []
    drain(cluster(pod("web-1"), api=api), NODE, MINUTE, report=reported.append)
    assert names(api) == []
    assert api.asked == 4
    assert "The disruption budget web needs 2 healthy pods" in reported[0]


def test_after_the_deadline_the_pods_that_are_left_are_named_with_the_budget() -> None:
    api = Guarded()
    with pytest.raises(PhaseError) as caught:
        drain(cluster(pod("web-1"), pod("free-1"), api=api), NODE, MINUTE)
    said = str(caught.value)
    assert "timed out after 60 s of waiting for node w1 to be empty (Pod default/web-1: could not evict" in said
    assert "The disruption budget web needs 2 healthy pods and has 2 currently" in said
    assert "free-1" not in said
    assert f"kubectl uncordon {NODE}" in said
    assert names(api) == ["web-1"]
    assert api.asked <= 13, "no more often than every five seconds"


def test_a_pod_that_does_not_end_is_named_with_what_holds_it() -> None:
    ending = pod("web-1", metadata={"deletionTimestamp": "2026-01-01T00:00:00Z", "finalizers": ["example.com/backup"]})
    api = cluster(ending)
    with pytest.raises(PhaseError, match=r"web-1: ending since 2026-01-01T00:00:00Z, held by example\.com/backup"):
        drain(api, NODE, MINUTE)
    assert ("evict", "Pod", "web-1") not in api.writes


def test_an_api_server_that_is_away_for_a_while_is_waited_for() -> None:
    class Away(FakeApi):
        looks = 0

        def list(self, *args: Any, **options: Any) -> list[KubeObject]:
            self.looks += 1
            if 2 < self.looks < 6:
                raise ApiUnreachableError("no answer")
            return super().list(*args, **options)

    api = Away()
    drain(cluster(pod("web-1"), api=api), NODE, MINUTE)
    assert names(api) == []


def test_a_new_pod_of_the_same_name_is_not_waited_for() -> None:
    """A StatefulSet whose pods tolerate everything comes back to a cordoned node."""

    class Returning(FakeApi):
        def evict(self, pod: KubeObject) -> None:
            super().evict(pod)
            self.put({**pod, "metadata": {name: value for name, value in pod["metadata"].items() if name != "uid"}})

    api = Returning()
    drain(cluster(pod("db-0", "StatefulSet"), api=api), NODE, MINUTE)
    assert names(api) == ["db-0"]


def test_our_cordon_is_taken_back() -> None:
    api = cluster()
    assert cordon(api, NODE) == (f"cordoned node {NODE}",)
    assert uncordon(api, NODE) == (f"uncordoned node {NODE}",)
    assert not is_cordoned(api)
    assert CORDONED not in node(api)["metadata"]["annotations"]
    assert uncordon(api, NODE) == ()


def test_the_cordon_of_others_stays() -> None:
    api = cluster(pod("web-1"), unschedulable=True)
    assert drain(api, NODE, MINUTE) == ["evicted Pod default/web-1"]
    assert uncordon(api, NODE) == ()
    assert is_cordoned(api)


def test_a_killed_run_s_cordon_is_known_to_the_next() -> None:
    api = cluster()
    cordon(api, NODE)
    assert cordon(api, NODE) == ()
    assert uncordon(api, NODE) == (f"uncordoned node {NODE}",)


def test_an_unknown_node() -> None:
    with pytest.raises(PhaseError, match="there is no Node w9 in the cluster"):
        cordon(cluster(), "w9")


def test_a_dry_run_shows_the_evictions_and_makes_none() -> None:
    api = cluster(pod("web-1"), pod("agent", "DaemonSet"))
    shown: list[str] = []
    drain(RecordingApi(api, shown.append), NODE, MINUTE)
    assert [text.splitlines()[0] for text in shown] == ["patch Node w1:", "evict Pod default/web-1"]
    assert names(api) == ["agent", "web-1"]
    assert not is_cordoned(api)
