"""`pykubeadm cluster` over a real sshd, this machine's: only what changes nothing."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from pykubeadm.errors import NodeError
from pykubeadm.fleet.machines import Machines
from pykubeadm.node.port import Command
from tests.support.fleets import host
from tests.support.sshd import running_sshd

INSTALLER = Path(__file__).resolve().parents[2] / "installer"


@pytest.fixture
def desk(tmp_path):
    """cluster.yaml with a host that answers, one that does not and one whose key is not known."""
    sshd = running_sshd()
    (tmp_path / "cluster.yaml").write_text(f"""\
apiVersion: pykubeadm.cluster/v1
kind: Cluster
ssh: {{port: {sshd.port}, identityFile: {sshd.folder}/login, configFile: {sshd.folder}/config}}
hosts:
- {{name: here, address: 127.0.0.1, parts: [control-plane]}}
- {{name: gone, address: 127.0.0.2, parts: [worker]}}
- {{name: stranger, address: localhost, parts: [worker]}}
""")
    return tmp_path


def run(desk: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(INSTALLER), "XDG_STATE_HOME": str(desk / "state")}
    command = [sys.executable, "-m", "pykubeadm", "cluster", *arguments]
    return subprocess.run(command, cwd=desk, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.skipif(os.geteuid() != 0, reason="sudo would ask for a password")
def test_hosts_are_looked_at_and_what_hinders_is_said_in_a_sentence_each(desk):
    planned = run(desk, "plan")
    assert planned.returncode == 5
    assert "here: make it the first control plane (there is no cluster yet)" in planned.stdout
    gone, stranger = planned.stderr.splitlines()
    assert gone.startswith("gone cannot be reached at 127.0.0.2")
    assert stranger.startswith("stranger: the host key of [localhost]")

    events = [json.loads(line) for line in run(desk, "plan", "-o", "json").stdout.splitlines()]
    assert {event["node"]: event["outcome"] for event in events if event.get("step") == "look"} == {
        "here": "unchanged",
        "gone": "failed",
        "stranger": "failed",
    }
    assert any(event.get("outcome") == "planned" and event["step"] == "init" for event in events)


@pytest.mark.skipif(os.geteuid() != 0, reason="sudo would ask for a password")
def test_a_command_runs_on_each_host_that_answers(desk):
    ran = run(desk, "run", "--limit", "here", "--", "sh", "-c", "echo out; echo err >&2; exit 3")
    assert ran.returncode == 5
    assert ran.stdout.split() == ["here", "out"]
    *said, log = ran.stderr.splitlines()
    assert [line.split(maxsplit=1) for line in said] == [["here", "err"], ["here", "ended with status 3"]]
    assert log.startswith("The log of this run is ")
    assert run(desk, "run", "--limit", "here", "--", "true").returncode == 0


def test_without_a_cluster_there_is_no_kubeconfig(desk):
    refused = run(desk, "kubeconfig")
    assert refused.returncode == 4
    assert "no control plane's API server answers" in refused.stderr


def test_a_connection_of_its_own_ends_what_others_still_do_there():
    sshd, of, begun, ended = running_sshd(), host("n1"), threading.Event(), []

    def work(node):
        begun.set()
        try:
            node.run(Command(("sleep", "60"), "wait"))
        except NodeError as error:
            ended.append(str(error))

    with Machines(lambda _host: sshd.connected()) as machines:
        thread = threading.Thread(target=work, args=(machines.node(of),), daemon=True)
        thread.start()
        assert begun.wait(20)
        with machines.apart(of) as node:
            thread.join(20)
            assert node.stat("/") is not None
        assert ended == ["n1: the connection was lost in the middle of the work; run this again when it can be reached"]
        with pytest.raises(NodeError, match="the connection was lost"):
            machines.node(of).stat("/")
