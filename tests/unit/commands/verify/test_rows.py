"""The rows as a whole: their names, which are chosen, what a run of them reports, and that its namespace goes."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from xml.etree import ElementTree as ET

import pytest

from pykubeadm.commands.verify import run
from pykubeadm.commands.verify.cluster import Cluster, look_at
from pykubeadm.commands.verify.command import Verification, chosen
from pykubeadm.commands.verify.report import document, junit
from pykubeadm.commands.verify.row import NotServedError, NotShownError, Row, RowResult
from pykubeadm.commands.verify.rows import ROWS
from pykubeadm.commands.verify.trial import Trial
from pykubeadm.errors import PykubeadmError, UsageError
from pykubeadm.kube.credentials import Credentials
from pykubeadm.kube.pod_streams import PodStreams
from pykubeadm.kube.port import ApiStatusError
from pykubeadm.util.kube_object import KubeObject
from tests.support.api import FakeApi

CREDENTIALS = Credentials("https://192.0.2.1:6443", insecure=True)


def node(name: str, *images: str, taints: tuple[str, ...] = (), plane: bool = False) -> KubeObject:
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": name, "labels": {"node-role.kubernetes.io/control-plane": ""} if plane else {}},
        "spec": {"taints": [{"key": key, "effect": "NoSchedule"} for key in taints]},
        "status": {"images": [{"names": [image]} for image in images], "nodeInfo": {"kubeletVersion": "v1.36.2"}},
    }


def cluster(api: FakeApi, image: str = "") -> Cluster:
    return look_at(api, PodStreams(CREDENTIALS), CREDENTIALS, namespace="pykubeadm-verify-1", image=image)


def test_names_are_unique_and_their_groups_known() -> None:
    names = [row.name for row in ROWS]
    assert len(set(names)) == len(names)
    assert {row.group for row in ROWS} == {
        *("containers", "pods", "controllers", "services", "configuration", "storage", "devices", "control-plane")
    }
    # Objects are named by the last part, in one namespace.
    assert len({name.partition("/")[2] for name in names}) == len(names)


def test_rows_are_chosen_by_name_and_group() -> None:
    assert [row.name for row in chosen(("pods", "containers/exec"), ("pods/shared",))] == [
        "containers/exec",
        "pods/init-container",
    ]
    with pytest.raises(UsageError, match="there is no row or group podz; the groups are containers, pods,"):
        chosen(("podz",), ())
    with pytest.raises(UsageError, match="no row is left"):
        chosen(("pods",), ("pods",))


def test_only_an_image_that_every_node_has_is_taken_without_being_named() -> None:
    api = FakeApi()
    api.put(node("a", "example.org/busybox:1", "registry.k8s.io/pause:3.10", plane=True))
    api.put(node("b", "registry.k8s.io/pause:3.10"))
    found = cluster(api)
    assert (found.pause, found.shell) == ("registry.k8s.io/pause:3.10", "")
    api.put(node("b", "example.org/busybox:1"))
    assert cluster(api).shell == "example.org/busybox:1"
    assert cluster(api, "example.org/mine:2").shell == "example.org/mine:2"


def test_a_cluster_without_nodes_is_refused() -> None:
    with pytest.raises(PykubeadmError, match="the cluster has no Nodes"):
        cluster(FakeApi())


def test_pods_go_to_control_planes_where_there_is_nothing_else() -> None:
    api = FakeApi()
    api.put(node("a", taints=("node-role.kubernetes.io/control-plane",), plane=True))
    assert [each["key"] for each in cluster(api).tolerations] == ["node-role.kubernetes.io/control-plane"]
    api.put(node("b"))
    assert cluster(api).tolerations == []


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> FakeApi:
    monkeypatch.setattr(run, "_REMOVED_WITHIN", timedelta(seconds=0.5))
    found = FakeApi()
    found.put(node("a", "example.org/busybox:1"))
    return found


def passes(_trial: Trial) -> str:
    return "it was seen"


def fails(trial: Trial) -> str:
    trial.create({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "bad"}, "spec": {"nodeName": "a", "containers": []}})
    trial.cluster.api.create(
        {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"name": "e", "namespace": trial.namespace},
            "type": "Warning",
            "reason": "Failed",
            "message": "no space left",
            "involvedObject": {"name": f"{trial.row}-x"},
        }
    )
    raise NotShownError("it was something else")


def absent(_trial: Trial) -> str:
    raise NotServedError("there is none")


def rows(*functions: object) -> list[Row]:
    return [Row(f"group/{function.__name__}", "something", function) for function in functions]  # type: ignore[attr-defined, arg-type]


def test_what_came_of_each_row_is_reported(api: FakeApi) -> None:
    reported: list[str] = []
    results, left = run.run_rows(
        cluster(api), rows(passes, fails, absent), lambda _row: None, lambda result: reported.append(result.row.name)
    )
    assert left == ""
    assert sorted(reported) == ["group/absent", "group/fails", "group/passes"]
    assert [(result.row.name, result.outcome, result.said) for result in results] == [
        ("group/passes", "passed", "it was seen"),
        ("group/fails", "failed", "it was something else"),
        ("group/absent", "not served", "there is none"),
    ]
    assert results[1].evidence == (
        "Pod bad on a: it is of no phase, and the kubelet of a does not say why",
        "event Failed: no space left",
    )


def test_the_namespace_is_removed_also_after_a_bug(api: FakeApi) -> None:
    def broken(_trial: Trial) -> str:
        raise ZeroDivisionError("bug")

    with pytest.raises(ZeroDivisionError):
        run.run_rows(cluster(api), rows(broken), lambda _row: None, lambda _result: None)
    assert ("create", "Namespace", "pykubeadm-verify-1") in api.writes
    assert not [key for key in api.objects if key[1] == "Namespace"]


def test_a_namespace_that_does_not_go_is_said_with_the_reason(api: FakeApi) -> None:
    class Slow(FakeApi):
        def delete(self, api_version: str, kind: str, name: str, namespace: str = "") -> bool:
            found = self.objects[api_version, kind, namespace, name]
            found["metadata"]["deletionTimestamp"] = "now"
            found["status"] = {"conditions": [{"status": "True", "message": "an API is not available"}]}
            return True

    slow = Slow(objects=api.objects)
    run.make_namespace(slow, "ns")
    assert run.remove_namespace(slow, "ns") == "an API is not available"


def test_namespaces_of_runs_that_were_killed_are_removed_after_an_hour() -> None:
    api = FakeApi()
    for name, created in (("old", "2026-01-01T10:00:00Z"), ("new", "2026-01-01T11:30:00Z")):
        labels = {run.NAMESPACE_LABEL: ""}
        api.put(
            {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "creationTimestamp": created, "labels": labels}}
        )
    api.put({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "else", "creationTimestamp": "2025-01-01T10:00:00Z"}})
    run.remove_abandoned(api, 1767268800.0)  # 2026-01-01 12:00
    assert sorted(key[3] for key in api.objects) == ["else", "new"]


def test_volumes_of_runs_that_were_killed_are_removed_after_an_hour() -> None:
    api = FakeApi()
    for name, created, labels in (
        ("old", "2026-01-01T10:00:00Z", {"verify.pykubeadm/row": "local-volume"}),
        ("new", "2026-01-01T11:30:00Z", {"verify.pykubeadm/row": "local-volume"}),
        ("else", "2025-01-01T10:00:00Z", {"app": "web"}),
    ):
        metadata = {"name": name, "creationTimestamp": created, "labels": labels}
        api.put({"apiVersion": "v1", "kind": "PersistentVolume", "metadata": metadata})
    run.remove_abandoned(api, 1767268800.0)  # 2026-01-01 12:00
    assert sorted(key[3] for key in api.objects) == ["else", "new"]


def test_rows_that_need_a_shell_say_so_where_no_image_has_one(api: FakeApi) -> None:
    without = replace(cluster(api), shell="")
    result = run.run_row(without, Row("group/row", "something", passes, needs_shell=True))
    assert result.outcome == "not served"
    assert "--image" in result.said


def test_a_refusal_of_the_api_is_the_rows_reason(api: FakeApi) -> None:
    def refused(_trial: Trial) -> str:
        raise ApiStatusError("could not create Pod x: denied by a webhook", code=403)

    result = run.run_row(cluster(api), rows(refused)[0])
    assert (result.outcome, result.said) == ("failed", "could not create Pod x: denied by a webhook")


def test_an_object_of_an_odd_shape_fails_its_row_alone(api: FakeApi) -> None:
    def odd(_trial: Trial) -> str:
        raise KeyError("spec")

    results, _left = run.run_rows(cluster(api), rows(odd, passes), lambda _row: None, lambda _result: None)
    assert [(each.outcome, each.said) for each in results] == [("failed", "KeyError: 'spec'"), ("passed", "it was seen")]


def test_objects_belong_to_their_row_and_namespace(api: FakeApi) -> None:
    trial = Trial(replace(cluster(api), api=api), "row")
    made = trial.create({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "spec": {"containers": []}})
    assert (made["metadata"]["namespace"], made["metadata"]["labels"]) == ("pykubeadm-verify-1", {"verify.pykubeadm/row": "row"})


def result(outcome: str, said: str, *evidence: str) -> RowResult:
    return RowResult(rows(passes)[0], outcome, 1.25, said, evidence)  # type: ignore[arg-type]


def test_results_for_programs() -> None:
    found = Verification(
        "https://a:6443",
        "ns",
        (result("passed", "ok"), result("failed", "bad \x07", "line <1>"), result("not served", "none")),
        9.0,
    )
    as_json = json.loads(json.dumps(document(found)))
    assert (as_json["schema"], as_json["passed"], as_json["failed"], as_json["notServed"]) == ("pykubeadm.verify/v1", 1, 1, 1)
    assert as_json["rows"][1]["evidence"] == ["line <1>"]
    suite = ET.fromstring(junit(found))  # noqa: S314 - our own
    assert (suite.get("tests"), suite.get("failures"), suite.get("skipped")) == ("3", "1", "1")
    failure = suite.find("testcase/failure")
    assert failure is not None
    assert (failure.get("message"), failure.text) == ("bad \N{REPLACEMENT CHARACTER}", "line <1>")


def test_a_wait_ends_with_the_reason(api: FakeApi) -> None:
    trial = Trial(replace(cluster(api), api=replace(api, call_timeout=timedelta(seconds=1))), "row")
    with pytest.raises(PykubeadmError, match=r"of waiting for a thing \(not yet\)"):
        trial.wait("a thing", lambda: "not yet", 0.05)
