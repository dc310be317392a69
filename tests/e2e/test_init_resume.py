"""`pykubeadm init` killed anywhere and run again ends with the same healthy cluster, without a reset in between."""

from __future__ import annotations

import json

import pytest

from lab import assets, cluster
from lab.cluster import kubectl
from lab.node import Node
from tests.e2e.conftest import NewNode
from tests.e2e.runs import kill_as_starts, outcome, phases_of

INIT = ("init", "--config", cluster.CONFIG, "--output=json")
# Runs on nodes of their own, killed where a half-done state is most telling.
TELLING = ("kubelet-start", "wait-control-plane", "kubelet-finalize/enable-client-cert-rotation")


def _prepared(new_node: NewNode, kubernetes: assets.Assets) -> Node:
    node = new_node("resume")
    node.write(cluster.CONFIG, cluster.config(kubernetes, node))
    return node


def _assert_completes(node: Node) -> None:
    assert outcome(node.run("pykubeadm", *INIT, timeout=300).stdout) in ("changed", "unchanged")
    assert outcome(node.run("pykubeadm", *INIT, timeout=300).stdout) == "unchanged"
    assert kubectl(node, "get", "--raw", "/livez") == "ok"
    cluster.install_cni(node)
    cluster.wait_node_ready(node)
    cluster.wait_rolled_out(node, "daemonset/kube-proxy", "deployment/coredns")


def test_killed_at_every_phase_boundary(new_node: NewNode, kubernetes: assets.Assets) -> None:
    """One node, killed at the first boundary, run again, killed at the second, and so on to the last."""
    node = _prepared(new_node, kubernetes)
    phases = phases_of(node, INIT)
    assert len(phases) > 20
    for phase in phases:
        kill_as_starts(node, INIT, phase)
    _assert_completes(node)


@pytest.mark.parametrize("phase", TELLING)
def test_killed_once_and_run_again(new_node: NewNode, kubernetes: assets.Assets, phase: str) -> None:
    node = _prepared(new_node, kubernetes)
    kill_as_starts(node, INIT, phase)
    _assert_completes(node)


def test_power_cut_while_the_control_plane_starts(new_node: NewNode, kubernetes: assets.Assets) -> None:
    node = _prepared(new_node, kubernetes)
    process = node.start_process("pykubeadm", *INIT)
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith("{") and json.loads(line).get("phase") == "wait-control-plane":
            break
    node.power_off()
    process.kill()
    process.wait()
    process.stdout.close()
    node.power_on()
    _assert_completes(node)
