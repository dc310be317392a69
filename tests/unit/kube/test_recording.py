"""What a dry run reports of the cluster's objects."""

from __future__ import annotations

from typing import Any

from pykubeadm.kube.apply import ensure, ensure_all
from pykubeadm.kube.port import ApiUnreachableError
from pykubeadm.kube.recording import RecordingApi
from pykubeadm.util.kube_object import KubeObject
from tests.support.api import FakeApi

CONFIG: dict[str, Any] = {
    "apiVersion": "v1",
    "kind": "ConfigMap",
    "metadata": {"name": "c", "namespace": "x"},
    "data": {"a": "1"},
}
SECRET: dict[str, Any] = {
    "apiVersion": "v1",
    "kind": "Secret",
    "metadata": {"name": "s", "namespace": "x", "labels": {"k": "v"}},
    "data": {"token-secret": "MDEyMzQ1Njc4OWFiY2RlZg=="},
}


def test_without_a_cluster_everything_would_be_created_once() -> None:
    reported: list[str] = []
    api = RecordingApi(None, reported.append)
    assert ensure_all(api, [CONFIG, CONFIG]) == ["created ConfigMap x/c"]
    assert reported[0].startswith("create ConfigMap x/c:\n")
    assert "a: '1'" in reported[0] or 'a: "1"' in reported[0]
    assert len(reported) == 1


def test_secrets_are_masked() -> None:
    reported: list[str] = []
    ensure(RecordingApi(None, reported.append), SECRET)
    assert "token-secret" in reported[0]
    assert "MDEyMzQ1" not in reported[0]
    assert "***" in reported[0]


def test_what_the_cluster_has_already_is_not_reported() -> None:
    reported: list[str] = []
    inner = FakeApi()
    inner.put(CONFIG)
    api = RecordingApi(inner, reported.append)
    assert ensure(api, CONFIG) == "unchanged"
    assert reported == []


class DryRun(FakeApi):
    """Computes what a write would give and stores nothing, as the server does when asked so."""

    def replace(self, document: KubeObject) -> KubeObject:
        return document


def test_what_would_be_updated_counts_as_a_change() -> None:
    reported: list[str] = []
    inner = DryRun()
    inner.put({**CONFIG, "data": {"a": "old"}, "status": {"seen": True}})
    api = RecordingApi(inner, reported.append)
    assert ensure(api, CONFIG) == "updated"
    assert reported[0].startswith("update ConfigMap x/c:\n")
    assert "seen" not in reported[0]
    assert ensure(api, CONFIG) == "unchanged"


def test_reads_see_what_was_recorded() -> None:
    api = RecordingApi(None, lambda _text: None)
    api.create(SECRET)
    assert [found["metadata"]["name"] for found in api.list("v1", "Secret", "x", labels={"k": "v"})] == ["s"]
    assert api.list("v1", "Secret", "other") == []
    assert api.delete("v1", "Secret", "s", "x") is True
    assert api.get("v1", "Secret", "s", "x") is None
    assert api.delete("v1", "Secret", "s", "x") is False


def test_a_cluster_that_goes_away_is_asked_no_more() -> None:
    inner = FakeApi(failures=[ApiUnreachableError("refused")])
    api = RecordingApi(inner, lambda _text: None)
    assert api.get("v1", "ConfigMap", "c", "x") is None
    assert api.get("v1", "ConfigMap", "d", "x") is None
    assert inner.calls == 1
