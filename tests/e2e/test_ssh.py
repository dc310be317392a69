"""`init` and `join` from a desk, over SSH as a user who becomes root by sudo with a password; nothing of ours is on the nodes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from lab import assets, cluster
from lab.node import Node
from pykubeadm.commands.init.command import init
from pykubeadm.commands.init.phases import PHASES as INIT
from pykubeadm.commands.join.command import join
from pykubeadm.commands.join.phases import PHASES as JOIN
from pykubeadm.config.source import Source
from pykubeadm.node.ssh import ConnectionLostError, PythonMissingError, SshNode, SudoError, connect
from pykubeadm.node.ssh_login import HostKeyError, LoginError, SshError, SshSettings, UnreachableError
from pykubeadm.workflow.events import Event, PhaseStarted, RunFinished
from pykubeadm.workflow.phase import without
from tests.e2e.conftest import NewNode, nodes_of
from tests.e2e.joining import join_command, node_names
from tests.support.slow_link import slow_link
from tests.support.ssh_nodes import PASSWORD, USER, Desk


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Desk:
    return Desk(tmp_path_factory.mktemp("desk"))


def run_init(node: SshNode, kubernetes: assets.Assets, address: str) -> list[Event]:
    documents = cluster.documents(kubernetes.version, address, etcd_tag=kubernetes.etcd_tag)
    documents[1]["controlPlaneEndpoint"] = f"{address}:6443"
    source = Source("cluster.yaml", yaml.safe_dump_all(documents).encode())
    events: list[Event] = []
    init({}, events.append, choose=lambda skip: without(INIT, skip), machine=node, source=source)
    return events


def run_join(node: SshNode, words: list[str], emit: Callable[[Event], None]) -> None:
    """With the words of a join command."""
    options: dict[str, Any] = {
        "api_server_endpoint": words[0],
        "token": words[words.index("--token") + 1],
        "discovery_token_ca_cert_hash": (words[words.index("--discovery-token-ca-cert-hash") + 1],),
        "discovery_file": None,
        "ignore_preflight_errors": tuple(cluster.ignored_checks()),
    }
    join(options, emit, choose=lambda skip: without(JOIN, skip), machine=node)


def outcome(events: list[Event]) -> str:
    return next(event.outcome for event in events if isinstance(event, RunFinished))


@pytest.fixture(scope="module")
def seed(kubernetes: assets.Assets, desk: Desk, request: pytest.FixtureRequest) -> Iterator[Node]:
    """A control plane, made over SSH."""
    with nodes_of(kubernetes, request) as new:
        node = new("ssh-seed")
        with connect(desk.admit(node)) as reached:
            assert outcome(run_init(reached, kubernetes, node.address)) == "changed"
        cluster.install_cni(node)
        cluster.wait_node_ready(node)
        yield node


def test_init_again_changes_nothing(seed: Node, desk: Desk, kubernetes: assets.Assets) -> None:
    with connect(desk.admit(seed)) as reached:
        assert outcome(run_init(reached, kubernetes, seed.address)) == "unchanged"
    assert seed.shell("stat -c '%a %U' /etc/kubernetes/admin.conf /etc/kubernetes/pki/ca.key").split() == ["600", "root"] * 2


def test_nothing_of_ours_stays_but_the_journal(seed: Node, desk: Desk) -> None:
    with connect(desk.admit(seed)) as reached:
        assert reached.stat("/") is not None
    assert seed.shell("pgrep -a python3 || true") == ""
    assert sorted(seed.shell("ls /var/lib/pykubeadm").split()) == ["journal.json", "lock"]
    assert PASSWORD not in seed.shell("journalctl --no-pager -q", check=False)


def test_join(seed: Node, desk: Desk, new_node: NewNode) -> None:
    worker = new_node("ssh-worker")
    words = join_command(seed)
    for wanted in ("changed", "unchanged"):
        events: list[Event] = []
        with connect(desk.admit(worker)) as reached:
            run_join(reached, words, events.append)
        assert outcome(events) == wanted
    cluster.install_cni(worker, asking=seed)
    cluster.wait_node_ready(seed, worker.name)


def test_a_join_whose_connection_is_cut_goes_on_with_the_next_run(seed: Node, desk: Desk, new_node: NewNode) -> None:
    worker = new_node("ssh-cut")
    settings, words = desk.admit(worker), join_command(seed)
    with slow_link((worker.address, 22), 0.02) as link:

        def emit(event: Event) -> None:
            if isinstance(event, PhaseStarted) and event.phase == "kubelet-wait-bootstrap":
                link.cut()

        with (
            pytest.raises(ConnectionLostError, match=rf"^{worker.name}: the connection was lost in the middle of the work"),
            connect(desk.through(worker, settings, link.port)) as reached,
        ):
            run_join(reached, words, emit)
    with connect(settings) as reached:
        run_join(reached, words, lambda _event: None)
    # Its kubelet may have been started again for that, and makes its Node a moment later.
    cluster.eventually(lambda: None if worker.name in node_names(seed) else "there is no Node", worker.name, 30)


def test_a_run_beside_another_is_told_who_works_there(seed: Node, desk: Desk) -> None:
    settings = desk.admit(seed)
    with (
        connect(settings) as first,
        first.exclusive("pykubeadm init"),
        connect(settings) as second,
        pytest.raises(Exception, match=r"pykubeadm init \(process \d+\) is at work on this node"),
        second.exclusive("pykubeadm join"),
    ):
        pytest.fail("two work there")


def test_what_keeps_from_reaching_a_node_is_a_sentence_with_its_name(desk: Desk, new_node: NewNode, tmp_path: Path) -> None:
    node = new_node("ssh-closed")
    settings = desk.admit(node)
    other = Desk(tmp_path)
    other.admit(node)

    def why(kind: type[SshError], **changed: Any) -> str:
        wanted: SshSettings = replace(settings, **changed)
        with pytest.raises(kind) as caught, connect(wanted):
            pytest.fail("it connects")
        assert str(caught.value).startswith(node.name)
        assert "\n" not in str(caught.value)
        return str(caught.value)

    # Whoever is admitted last is let in.
    assert f"does not let {USER} in" in why(LoginError)
    desk.admit(node)
    assert "is not known: SHA256:" in why(HostKeyError, config_file="none")
    key = " ".join((desk.folder / "login.pub").read_text().split()[:2])
    (tmp_path / "known_hosts").write_text(f"{node.address} {key}\n")
    assert "somebody may stand between" in why(HostKeyError, config_file=str(tmp_path / "config"))
    assert f"sudo does not accept the password of {USER}" in why(SudoError, sudo_password="wrong")
    assert f"sudo asks for a password of {USER}" in why(SudoError, sudo_password=None)
    assert "there is no python4 there" in why(PythonMissingError, python="python4")
    node.shell("mv /usr/bin/python3 /usr/bin/python3.away")
    assert "install Python 3.9" in why(PythonMissingError)
    node.shell(f"rm /etc/sudoers.d/{USER}")
    assert f"{USER} may not become root by sudo" in why(SudoError)
    node.shell("mv /usr/bin/sudo /usr/bin/sudo.away")
    assert "there is no sudo there" in why(SudoError)
    node.shell("systemctl stop ssh.service ssh.socket", check=False)
    assert f"cannot be reached at {node.address} port 22: connection refused" in why(UnreachableError)
    node.stop()
    assert "cannot be reached" in why(UnreachableError, connect_timeout=5.0)
