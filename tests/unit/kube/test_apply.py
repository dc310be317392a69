"""Create-or-update: what is written, what is left alone, what is tried again."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from pykubeadm.errors import ApiError
from pykubeadm.kube import apply
from pykubeadm.kube.apply import ensure, ensure_all, merged
from pykubeadm.kube.port import ApiStatusError, ApiUnreachableError
from tests.support.api import FakeApi


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(apply, "RETRY_INTERVAL", 0.001)


def config_map(**data: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c", "namespace": "kube-system"}, "data": data}


def daemon_set(containers: list[dict[str, Any]], **spec: Any) -> dict[str, Any]:
    template = {"spec": {"containers": containers}}
    return {
        "apiVersion": "apps/v1",
        "kind": "DaemonSet",
        "metadata": {"name": "d", "namespace": "x"},
        "spec": {"template": template} | spec,
    }


def test_it_creates_then_leaves_alone_then_updates() -> None:
    api = FakeApi()
    assert ensure(api, config_map(a="1")) == "created"
    assert ensure(api, config_map(a="1")) == "unchanged"
    assert ensure(api, config_map(a="2")) == "updated"
    assert api.writes == [("create", "ConfigMap", "c"), ("replace", "ConfigMap", "c")]


def test_what_others_added_stays() -> None:
    api = FakeApi()
    live = config_map(kubeconfig="old", **{"jws-kubeconfig-abcdef": "signature"})
    live["metadata"]["labels"] = {"team": "blue"}
    api.put(live)
    assert ensure(api, config_map(kubeconfig="new")) == "updated"
    stored = api.get("v1", "ConfigMap", "c", "kube-system") or {}
    assert stored["data"] == {"kubeconfig": "new", "jws-kubeconfig-abcdef": "signature"}
    assert stored["metadata"]["labels"] == {"team": "blue"}


def test_what_the_server_fills_in_is_no_difference() -> None:
    api = FakeApi(defaults={"DaemonSet": {"revisionHistoryLimit": 10}})
    wanted = daemon_set([{"name": "proxy", "image": "i"}])
    ensure(api, wanted)
    container = api.objects["apps/v1", "DaemonSet", "x", "d"]["spec"]["template"]["spec"]["containers"][0]
    container["imagePullPolicy"] = "IfNotPresent"
    assert ensure(api, wanted) == "unchanged"


def test_a_write_that_the_server_does_not_store_is_no_change() -> None:
    class Normalising(FakeApi):
        def replace(self, document: dict[str, Any]) -> dict[str, Any]:
            return self.get("v1", "ConfigMap", "c", "kube-system") or {}

    api = Normalising()
    api.put(config_map(cpu="100m"))
    assert ensure(api, config_map(cpu="0.1")) == "unchanged"


@pytest.mark.parametrize(
    "failure",
    [
        ApiUnreachableError("refused"),
        ApiStatusError("etcd", code=500),
        ApiStatusError("busy", code=429),
        ApiStatusError("roles are still being made", code=403),
        ApiStatusError("the namespace is not there yet", code=404),
        ApiStatusError("conflict", code=409, reason="Conflict"),
    ],
)
def test_what_may_pass_is_tried_again(failure: Exception) -> None:
    api = FakeApi(failures=[failure])
    assert ensure(api, config_map(a="1")) == "created"


@pytest.mark.parametrize("code", [400, 401, 405, 422])
def test_what_cannot_pass_ends_at_once(code: int) -> None:
    api = FakeApi(failures=[ApiStatusError("no", code=code)])
    with pytest.raises(ApiStatusError):
        ensure(api, config_map(a="1"))
    assert api.calls == 1


def test_it_gives_up_in_the_end() -> None:
    api = FakeApi(call_timeout=timedelta(milliseconds=20), failures=[ApiUnreachableError("could not read: refused")] * 1000)
    with pytest.raises(ApiError, match="could not read: refused"):
        ensure(api, config_map(a="1"))


def test_somebody_writes_in_between() -> None:
    class Busy(FakeApi):
        meddled = False

        def replace(self, document: dict[str, Any]) -> dict[str, Any]:
            if not self.meddled:
                self.meddled = True
                self.objects["v1", "ConfigMap", "kube-system", "c"]["metadata"]["resourceVersion"] = "99"
                self.objects["v1", "ConfigMap", "kube-system", "c"]["data"]["theirs"] = "x"
            return super().replace(document)

    api = Busy()
    api.put(config_map(a="1"))
    assert ensure(api, config_map(a="2")) == "updated"
    assert (api.get("v1", "ConfigMap", "c", "kube-system") or {})["data"] == {"a": "2", "theirs": "x"}


def test_sentences_name_what_changed_in_the_documents_order() -> None:
    api = FakeApi()
    role = {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": {"name": "r"}, "rules": []}
    assert ensure_all(api, [config_map(a="1"), role]) == ["created ConfigMap kube-system/c", "created ClusterRole r"]
    assert ensure_all(api, [config_map(a="1"), role]) == []
    assert ensure_all(api, []) == []


@pytest.mark.parametrize(
    ("live", "wanted", "result"),
    [
        ({"a": 1, "b": 2}, {"b": 3}, {"a": 1, "b": 3}),
        ({"a": 1}, {"a": None}, {"a": 1}),
        ([1, 2, 3], [2], [2]),
        ({"rules": [{"verbs": ["get"]}]}, {"rules": []}, {"rules": []}),
        (
            {"subjects": [{"kind": "Group", "name": "g", "apiGroup": "rbac"}]},
            {"subjects": [{"kind": "Group", "name": "new"}, {"kind": "Group", "name": "g"}]},
            {"subjects": [{"kind": "Group", "name": "new"}, {"kind": "Group", "name": "g", "apiGroup": "rbac"}]},
        ),
        (
            {"volumes": [{"name": "v", "configMap": {"name": "c", "defaultMode": 420}}]},
            {"volumes": [{"name": "v", "configMap": {"name": "c"}}]},
            {"volumes": [{"name": "v", "configMap": {"name": "c", "defaultMode": 420}}]},
        ),
        (
            {"volumes": [{"name": "v", "configMap": {"name": "c", "defaultMode": 420}}]},
            {"volumes": [{"name": "v", "hostPath": {"path": "/"}}]},
            {"volumes": [{"name": "v", "hostPath": {"path": "/"}}]},
        ),
    ],
)
def test_merging(live: Any, wanted: Any, result: Any) -> None:
    assert merged(live, wanted) == result
