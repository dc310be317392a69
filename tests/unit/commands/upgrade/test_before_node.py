"""What keeps `upgrade node` from changing a node."""

from __future__ import annotations

import pytest

from pykubeadm.commands.upgrade.checks.every import node_checks
from pykubeadm.constants import CA_ROTATION_DIR
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


@pytest.mark.parametrize("is_rotating", [False, True])
def test_what_a_rotation_has_changed_is_not_replaced(node: ControlPlaneNode, *, is_rotating: bool) -> None:
    if is_rotating:
        node.put(f"{CA_ROTATION_DIR}/id", "8f230033", 0o600)
    run, _ = upgrade_run(node, cluster_of(), OLD, part="node")
    (check,) = [check for check in node_checks(run) if check.name == "CARotation"]
    assert bool(check.look(None).errors) is is_rotating  # type: ignore[arg-type]
