"""The pods of a node that leaves its cluster: in which order they go, and what becomes of those that do not."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from pykubeadm.commands.reset import sandboxes
from pykubeadm.commands.reset.cleanup_node import cleanup_node
from pykubeadm.node.port import Command, Completed, UnitState
from tests.support.reset_runs import ClusterNode, bare_node, clean, control_plane, refused, reset_run, sandbox

_FIRST, _LAST = ["id-coredns-1"], ["id-etcd-cp1", "id-kube-apiserver-cp1"]
STAND_IN = "/etc/cni/net.d/00-pykubeadm-reset.conflist"


@pytest.mark.parametrize(
    ("network", "waves"),
    [
        ({"type": "bridge", "ipam": {"type": "host-local"}}, [_FIRST + _LAST]),
        ({"type": "calico", "ipam": {"type": "host-local"}}, [_FIRST, _LAST]),
        ({"type": "bridge", "ipam": {"type": "whereabouts"}}, [_FIRST, _LAST]),
        ({}, [_FIRST, _LAST]),
    ],
)
def test_pods_go_at_once_unless_the_network_may_ask_the_api(network: dict[str, Any], waves: list[list[str]]) -> None:
    node = control_plane()
    node.put("/etc/cni/net.d/10-bridge.conflist", json.dumps({"plugins": [network]}))
    node.put("/etc/cni/net.d/README", "no JSON")
    clean(node)
    assert [[*command.argv[command.argv.index("--force") + 1 :]] for command in node.ran if "rmp" in command.argv] == waves


def test_nothing_is_killed_where_the_runtime_has_ended_all() -> None:
    node = control_plane()
    node.units["kubepods.slice"] = UnitState("loaded", "active", "active", "")
    clean(node)
    assert not [command for command in node.ran if "kill" in command.argv]
    assert ("kubepods.slice", "stopped") in node.unit_actions


@pytest.mark.parametrize("stays", [True, False])
def test_pods_that_somebody_else_removes_meanwhile_are_gone_all_the_same(stays: bool) -> None:
    node = control_plane()

    def crictl(command: Command) -> Completed:
        completed = node._crictl(command)
        if "rmp" not in command.argv:
            return completed
        if stays:
            node.sandboxes["id-coredns-1"] = sandbox("coredns-1")
        return Completed(1, stderr="getting sandbox status of pod: not found")

    node.commands["crictl"] = crictl
    if stays:
        assert "not found" in str(refused(node))
    else:
        clean(node)
        assert node.state() == bare_node().state()


def test_a_pod_that_does_not_go_at_once_is_tried_again() -> None:
    node = control_plane()
    answers = [Completed(1, stderr="ttrpc: closed")]
    node.commands["crictl"] = lambda command: answers.pop() if "rmp" in command.argv and answers else node._crictl(command)
    clean(node)
    assert answers == []
    assert node.state() == bare_node().state()


def without_plugin(node: ClusterNode) -> Callable[[Command], Completed]:
    """A crictl whose runtime wants a plugin that is gone, unless another network is configured."""

    def crictl(command: Command) -> Completed:
        if "rmp" in command.argv and node.stat(STAND_IN) is None:
            return Completed(1, stderr='level=fatal msg="failed to destroy network for sandbox \\"a\\"\\nfor \\"b\\""')
        return node._crictl(command)

    return crictl


def test_pods_whose_networks_plugin_is_gone_are_removed_without_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sandboxes.time, "sleep", lambda _seconds: None)
    node, bare = control_plane(), bare_node()
    for each in (node, bare):
        del each.sandboxes["id-guest"]
    node.put("/var/lib/cni/networks/podman/10.88.0.3", "id-coredns-1\r\neth0")  # which the plugin would have removed
    node.put("/var/lib/cni/results/podman-id-coredns-1-eth0", "{}")
    node.commands["crictl"] = without_plugin(node)
    node.interfaces["veth2"] = "pods0"  # gone in a moment
    clean(node)
    del node.interfaces["veth2"]
    assert node.state() == bare.state()


def test_pods_of_others_keep_their_network() -> None:
    """What is left keeps its configuration: the runtime needs it to remove what is left."""
    node = control_plane()
    node.commands["crictl"] = without_plugin(node)
    error = str(refused(node))
    assert 'destroy network for sandbox "a"; for "b"' in error
    assert node.stat("/etc/cni/net.d/10-bridge.conflist")
    assert node.stat("/etc/kubernetes/admin.conf") is None
    assert "id-coredns-1" in node.sandboxes
    node.commands["crictl"] = node._crictl
    node.put(STAND_IN, "of a run that was killed")
    clean(node)
    assert node.state() == bare_node().state()


def test_a_runtime_that_does_not_answer_stops_nothing_else() -> None:
    node = control_plane()
    node.commands["crictl"] = Completed(1, stderr="connection refused")
    error = refused(node)
    assert "start the runtime, then run this again" in str(error)
    assert node.stat("/etc/kubernetes/admin.conf") is None
    assert node.mounts == ["/var/lib/data"]
    node.commands["crictl"] = node._crictl
    clean(node)
    assert node.state() == bare_node().state()


def test_pods_of_a_runtime_that_does_not_answer_are_not_asked_to_end() -> None:
    """The API server would wait a minute for an etcd that has ended."""
    node = control_plane()
    node.units["kubepods.slice"] = UnitState("loaded", "active", "active", "")
    node.commands["crictl"] = Completed(1, stderr="connection refused")
    refused(node)
    [kill] = [command.argv for command in node.ran if command.argv[:2] == ("systemctl", "kill")]
    assert kill == ("systemctl", "kill", "--signal=SIGKILL", "--", "kubepods.slice")
    assert ("kubepods.slice", "stopped") in node.unit_actions


def test_a_bare_node_needs_no_runtime() -> None:
    node = bare_node()
    del node.commands["crictl"]
    assert clean(node) == []


def test_pods_that_still_run_need_the_runtime() -> None:
    node = bare_node()
    del node.commands["crictl"]
    node.commands["sh -c find /sys/fs/cgroup"] = Completed(0, "4711\n")
    said = str(refused(node))
    assert "may still run: " in said
    assert "install the package cri-tools" in said
    assert "start the runtime" not in said


def test_pods_of_every_runtime_go_where_the_kubelet_does_not_say_which() -> None:
    node = control_plane()
    run, _events = reset_run(node)
    run.sockets = ("unix:///a.sock", "unix:///b.sock")
    node.sandboxes["id-late"] = sandbox("late")
    assert cleanup_node.apply is not None
    cleanup_node.apply(run)
    asked = {command.argv[command.argv.index("--runtime-endpoint") + 1] for command in node.ran if "pods" in command.argv}
    assert asked == {"unix:///a.sock", "unix:///b.sock"}
    assert list(node.sandboxes) == ["id-guest"]
