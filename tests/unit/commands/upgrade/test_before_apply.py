"""What `upgrade apply` waits for before it tests the cluster."""

from __future__ import annotations

import pytest

from pykubeadm.commands.upgrade.before_apply import await_who_runs_jobs, run_apply_preflight
from pykubeadm.constants import LABEL_CONTROL_PLANE
from pykubeadm.phases.cluster.state import ClusterState
from tests.support.init_runs import warnings
from tests.support.upgrade_plans import node as node_object
from tests.support.upgrade_plans import pod
from tests.support.upgrade_runs import OLD, ControlPlaneNode, FakeEtcd, attach, cluster_of, made, upgrade_run


def state(control_planes: int = 1) -> ClusterState:
    names = [f"cp{number + 1}" for number in range(control_planes)]
    return ClusterState(nodes=tuple({"metadata": {"name": name, "labels": {LABEL_CONTROL_PLANE: ""}}} for name in names))


@pytest.fixture
def node(monkeypatch: pytest.MonkeyPatch) -> ControlPlaneNode:
    found, _api = made()
    attach(monkeypatch, found, FakeEtcd())
    return found


def test_a_scheduler_that_the_kubelet_keeps_waiting_is_awaited(node: ControlPlaneNode) -> None:
    looks: list[str] = []

    def ails(name: str, _manifest: str) -> str:
        looks.append(name)
        return "connection refused" if name == "kube-scheduler" and looks.count(name) < 3 else ""

    node.ails = ails
    run, events = upgrade_run(node, cluster_of())
    await_who_runs_jobs(run, state())
    assert looks.count("kube-scheduler") == 3
    assert looks.count("kube-controller-manager") == 1
    assert warnings(events) == []


def test_one_that_does_not_come_back_is_named_and_the_checks_go_on(node: ControlPlaneNode) -> None:
    node.ails = lambda name, _manifest: "connection refused" if name == "kube-scheduler" else ""
    run, events = upgrade_run(node, cluster_of())
    await_who_runs_jobs(run, state())
    (said,) = warnings(events)
    assert "kube-scheduler (connection refused)" in said


def test_with_several_control_planes_others_run_the_job(node: ControlPlaneNode) -> None:
    node.ails = lambda _name, _manifest: "connection refused"
    run, events = upgrade_run(node, cluster_of())
    await_who_runs_jobs(run, state(control_planes=3))
    assert warnings(events) == []


@pytest.mark.parametrize("kubelet", [True, False])
def test_whether_the_node_can_be_drained_is_checked_where_it_will_be(
    node: ControlPlaneNode, monkeypatch: pytest.MonkeyPatch, kubelet: bool
) -> None:
    names: list[str] = []
    module = "pykubeadm.commands.upgrade.before_apply"
    monkeypatch.setattr(f"{module}.checked", lambda _run, checks: names.extend(check.name for check in checks))
    monkeypatch.setattr(f"{module}.pulled", lambda _run: ())
    api = cluster_of()
    api.put(pod("kube-apiserver", "cp1", OLD))
    api.put(node_object("cp1", OLD, control_plane=True))
    run_apply_preflight(upgrade_run(node, api, replaces_kubelet=kubelet)[0])
    assert "DiskSpace" in names
    assert ("NodeDrain" in names) is kubelet
