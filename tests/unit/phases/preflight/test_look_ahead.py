"""What `join` asks the machine while it asks the cluster, and what preflight makes of it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pykubeadm.commands.join.checks import run_join_preflight
from pykubeadm.config.host import HostFacts
from pykubeadm.config.model import NodeRegistration
from pykubeadm.errors import PreflightError
from pykubeadm.node.port import Completed
from pykubeadm.phases import prepare
from pykubeadm.phases.preflight.machine import Machine
from tests.support.join_runs import joining
from tests.support.machines import SOCKET, Owned, crictl
from tests.support.node import FakeNode, completed


def ahead(node: FakeNode) -> Machine:
    machine = Machine(node, HostFacts("cp1"), Owned(), SOCKET)
    machine.look_ahead()
    machine.is_good()  # waits for the answers
    machine.cgroup_driver()
    return machine


def run_with(node: FakeNode, machine: Machine):
    run = joining(node)
    here = replace(run.configuration.this_node, node_registration=NodeRegistration(name="n1", cri_socket=SOCKET))
    run.configuration = replace(run.configuration, this_node=here, kubelet={"resolvConf": "/etc/resolv.conf"})
    run.machine = machine
    return run


def asked(node: FakeNode, command: str) -> int:
    return sum(command in str(run) for run in node.ran)


def test_preflight_does_not_ask_again(node: FakeNode) -> None:
    run = run_with(node, ahead(node))
    run_join_preflight(run)
    assert [asked(node, command) for command in ("kubelet --version", " info", " runtime-config")] == [1, 1, 1]


@pytest.mark.parametrize("missing", ["runtime", "kubelet", "readiness"])
def test_what_was_not_there_yet_is_asked_for_again(node: FakeNode, missing: str) -> None:
    """The cluster may be waited for until long after: a machine that boots has its runtime by then."""
    commands, sockets = dict(node.commands), set(node.sockets)
    if missing == "runtime":
        node.sockets.clear()
    elif missing == "kubelet":
        node.commands["kubelet --version"] = Completed(127, stderr="kubelet: command not found")
    else:
        crictl(node, "info", {"status": {"conditions": [{"type": "RuntimeReady", "status": False}]}})
    run = run_with(node, ahead(node))
    question = "kubelet --version" if missing == "kubelet" else " info"
    before = asked(node, question)
    node.commands |= commands
    node.sockets |= sockets
    run_join_preflight(run)
    assert asked(node, question) == before + 1


def test_what_is_still_not_there_stops_the_run(node: FakeNode) -> None:
    node.commands["kubelet --version"] = completed("", 127)
    with pytest.raises(PreflightError, match="KubeletVersion"):
        run_join_preflight(run_with(node, ahead(node)))


def test_what_prepare_changes_is_not_taken_from_before(node: FakeNode, monkeypatch) -> None:
    monkeypatch.setattr(prepare, "missing", lambda *_: {})  # once it has started a runtime that stood
    run = run_with(node, ahead(node))
    prepare.apply(run)
    before = asked(node, " info")
    run_join_preflight(run)
    assert asked(node, " info") == before + 1
