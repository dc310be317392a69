"""`pykubeadm init` killed anywhere and run again ends with the same healthy cluster, without a reset in between."""

from __future__ import annotations

import json
import time

import pytest

from tests.e2e.conftest import NewNode
from tests.lab import assets, cluster
from tests.lab.cluster import kubectl
from tests.lab.host import LabError
from tests.lab.node import Node

PID = "/run/pykubeadm-init.pid"
INIT = ("pykubeadm", "init", "--config", cluster.CONFIG, "--output=json")
# Runs on nodes of their own, killed where a half-done state is most telling.
TELLING = ("kubelet-start", "wait-control-plane", "kubelet-finalize/enable-client-cert-rotation")


def _prepared(new_node: NewNode, kubernetes: assets.Assets) -> Node:
    node = new_node("resume")
    node.write(cluster.CONFIG, cluster.config(kubernetes, node))
    return node


def _phases(node: Node) -> list[str]:
    """The phases of a run, in order."""
    with_nothing_done = node.run(*INIT, "--dry-run", timeout=120).stdout
    started = [event["phase"] for event in map(json.loads, with_nothing_done.splitlines()) if event["type"] == "phase-started"]
    assert len(started) > 20
    return started


def _killed_in(node: Node, phase: str, seconds: float = 200) -> bool:
    """Run init and kill it as soon as it says that `phase` started; False where it ended before."""
    process = node.start_process("sh", "-c", f"echo $$ >{PID}; exec {' '.join(INIT)}")
    assert process.stdout is not None
    end = time.monotonic() + seconds
    try:
        for line in process.stdout:
            event = json.loads(line) if line.startswith("{") else {}
            if event.get("type") == "phase-started" and event["phase"] == phase:
                node.shell(f"kill -KILL $(cat {PID})", check=False)
                process.wait(timeout=30)
                return True
            if time.monotonic() > end:
                raise LabError(f"init did not reach {phase} within {seconds:.0f} s")
        return False
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def _assert_completes(node: Node) -> None:
    last = json.loads(node.run(*INIT, timeout=300).stdout.splitlines()[-1])
    assert last["outcome"] in ("changed", "unchanged")
    again = json.loads(node.run(*INIT, timeout=300).stdout.splitlines()[-1])
    assert again["outcome"] == "unchanged"
    assert kubectl(node, "get", "--raw", "/livez") == "ok"
    cluster.install_cni(node)
    cluster.wait_node_ready(node)
    cluster.wait_rolled_out(node, "daemonset/kube-proxy", "deployment/coredns")


def test_killed_at_every_phase_boundary(new_node: NewNode, kubernetes: assets.Assets) -> None:
    """One node, killed at the first boundary, run again, killed at the second, and so on to the last."""
    node = _prepared(new_node, kubernetes)
    phases = _phases(node)
    reached = [phase for phase in phases if _killed_in(node, phase)]
    assert reached == phases
    _assert_completes(node)


@pytest.mark.parametrize("phase", TELLING)
def test_killed_once_and_run_again(new_node: NewNode, kubernetes: assets.Assets, phase: str) -> None:
    node = _prepared(new_node, kubernetes)
    assert _killed_in(node, phase)
    _assert_completes(node)


def test_power_cut_while_the_control_plane_starts(new_node: NewNode, kubernetes: assets.Assets) -> None:
    node = _prepared(new_node, kubernetes)
    process = node.start_process(*INIT)
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
