"""What keeps `upgrade node` from changing a node."""

from __future__ import annotations

from typing import Any

import pytest

from pykubeadm.commands.upgrade.before_node import run_node_preflight
from pykubeadm.commands.upgrade.checks.every import node_checks
from pykubeadm.config.model import UpgradeConfiguration, UpgradeNode
from pykubeadm.constants import CA_ROTATION_DIR
from pykubeadm.errors import PreflightError
from tests.support.node import completed
from tests.support.upgrade_runs import MANIFESTS, NEW, OLD, ControlPlaneNode, FakeEtcd, attach, cluster_of, made, upgrade_run


@pytest.fixture
def node(monkeypatch: pytest.MonkeyPatch) -> ControlPlaneNode:
    found, _api = made()
    attach(monkeypatch, found, FakeEtcd())
    return found


@pytest.mark.parametrize(("tag", "refused"), [(OLD, False), (NEW, True), (f"{OLD}-fips", False), ("v1.35.7", True)])
def test_a_node_whose_apply_did_not_end_is_not_taken_back(node: ControlPlaneNode, tag: str, refused: bool) -> None:
    path = f"{MANIFESTS}/kube-apiserver.yaml"
    node.put(path, node.text(path).replace(f"kube-apiserver:{OLD}", f"kube-apiserver:{tag}"), 0o600)
    run, _ = upgrade_run(node, cluster_of(), OLD, part="node")
    (check,) = [check for check in node_checks(run) if check.name == "ControlPlaneVersion"]
    errors = check.look(None).errors  # type: ignore[arg-type]
    assert bool(errors) is refused
    if refused:
        assert f"is {tag}, and the cluster's configuration names {OLD}" in errors[0]
        assert f"finish `pykubeadm upgrade apply {tag}` first" in errors[0]
        assert f"if {OLD} is what you want, give --ignore-preflight-errors=ControlPlaneVersion" in errors[0]


def registered(version: str) -> dict[str, Any]:
    metadata, info = {"name": "cp1"}, {"kubeletVersion": version}
    return {"apiVersion": "v1", "kind": "Node", "metadata": metadata, "spec": {}, "status": {"nodeInfo": info}}


LONELY = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "lonely", "namespace": "default"},
    "spec": {"nodeName": "cp1"},
}


def test_pods_that_a_drain_refuses_stop_it_before_anything_changes(
    node: ControlPlaneNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not once the control plane is upgraded."""
    monkeypatch.setattr("pykubeadm.commands.upgrade.before_node.machine_checks", lambda _run: ())
    api = cluster_of()
    api.put(LONELY)

    def said(**fields: Any) -> str:
        try:
            run_node_preflight(upgrade_run(node, api, part="node", **fields)[0])
        except PreflightError as error:
            return str(error)
        return ""

    assert "[ERROR NodeDrain]: node cp1 cannot be drained: Pod default/lonely" in said(replaces_kubelet=True)
    assert said() == ""
    skipping = UpgradeConfiguration(node=UpgradeNode(skip_phases=("kubelet/drain",)))
    assert said(replaces_kubelet=True, upgrade=skipping) == ""
    assert said(replaces_kubelet=True, ignore_preflight_errors=frozenset({"nodedrain"})) == ""
    node.commands["kubelet --version"] = completed(f"Kubernetes {NEW}\n")
    api.put(registered(NEW))
    assert said(replaces_kubelet=True) == ""


@pytest.mark.parametrize("is_rotating", [False, True])
def test_what_a_rotation_has_changed_is_not_replaced(node: ControlPlaneNode, *, is_rotating: bool) -> None:
    if is_rotating:
        node.put(f"{CA_ROTATION_DIR}/id", "8f230033", 0o600)
    run, _ = upgrade_run(node, cluster_of(), OLD, part="node")
    (check,) = [check for check in node_checks(run) if check.name == "CARotation"]
    assert bool(check.look(None).errors) is is_rotating  # type: ignore[arg-type]
