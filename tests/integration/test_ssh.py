"""Nodes over SSH, against a real sshd: Python and sudo, how a connection is used, and how it ends."""

from __future__ import annotations

import os
import resource
import shutil
import socket
import subprocess
import threading
import time
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import paramiko
import pytest

from pykubeadm.errors import LockedError, NodeError
from pykubeadm.node.port import Command, File
from pykubeadm.node.remote import MODULES
from pykubeadm.node.ssh import ConnectionLostError, PythonMissingError, SshNode, SudoError, connect
from pykubeadm.pki.tls import client_context
from pykubeadm.transport.connections import Connections
from pykubeadm.transport.http import UnansweredError, exchange
from tests.support.connecting import why_not
from tests.support.servers import ca_pem, serving
from tests.support.slow_link import slow_link
from tests.support.sshd import Sshd, oldest_python, running_sshd

SLEEP = Command(("sleep", "300"), "wait", timeout=400)


@pytest.fixture
def sshd() -> Sshd:
    return running_sshd()


# Python and sudo


def test_no_python(sshd: Sshd) -> None:
    assert "there is no no-such-python there: install Python 3.9" in why_not(
        sshd.settings(python="no-such-python"), PythonMissingError
    )


def test_a_python_that_is_too_old(sshd: Sshd, tmp_path: Path) -> None:
    old = tmp_path / "python3"
    old.write_text("#!/bin/sh\necho pykubeadm 3.6\nexit 1\n")
    old.chmod(0o755)
    assert "Python 3.6, and 3.9 is the oldest" in why_not(sshd.settings(python=str(old)), PythonMissingError)


@pytest.mark.skipif(os.geteuid() == 0, reason="root needs no sudo")
def test_no_sudo_without_its_password(sshd: Sshd) -> None:
    why_not(sshd.settings(sudo=True), SudoError)


def test_what_is_sent_is_for_the_oldest_python() -> None:
    """On the oldest there is here; the contract tests call all of it."""
    program = "import sys, importlib\nfor name in sys.argv[1:]: importlib.import_module(name)"
    done = subprocess.run(
        [shutil.which(oldest_python()) or oldest_python(), "-c", program, *MODULES],
        env={"PYTHONPATH": str(Path(__file__).parents[2] / "installer")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stderr == ""


# at work


def test_a_long_command_blocks_nobody(sshd: Sshd) -> None:
    with sshd.connected() as node:
        ended: list[BaseException] = []

        def long() -> None:
            try:
                node.run(SLEEP)
            except NodeError as error:
                ended.append(error)

        thread = threading.Thread(target=long)
        thread.start()
        _wait(lambda: _sleepers(node))
        assert [node.stat("/").kind for _ in range(20)] == ["directory"] * 20
        for pid in _sleepers(node):
            node.run(Command(("kill", pid), "end it", check=False))
        thread.join(30)
        assert "was killed by SIG" in str(ended[0])


def _sleepers(node: SshNode) -> list[str]:
    """The processes that the helper runs for SLEEP."""
    helper = node.run(Command(("sh", "-c", "echo $PPID"), changes=False)).stdout.strip()
    children = Path(f"/proc/{helper}/task").glob("*/children")
    found = [pid for listed in children for pid in listed.read_text().split()]
    return [pid for pid in found if Path(f"/proc/{pid}/cmdline").read_bytes().startswith(b"sleep")]


def test_a_connection_that_is_cut_is_a_sentence_and_ends_what_runs_there(sshd: Sshd, tmp_path: Path) -> None:
    mark = tmp_path / "pid"
    with slow_link(("127.0.0.1", sshd.port), 0.0) as link:
        settings = replace(sshd.settings(), port=link.port, config_file=str(tmp_path / "config"))
        known = (sshd.folder / "known_hosts").read_text().replace(f":{sshd.port}", f":{link.port}")
        (tmp_path / "known").write_text(known)
        (tmp_path / "config").write_text(f"Host *\n  UserKnownHostsFile {tmp_path}/known\n")
        with connect(settings) as node:
            timer = threading.Thread(target=lambda: (_wait(mark.exists), link.cut()))
            timer.start()
            began = time.monotonic()
            with pytest.raises(
                ConnectionLostError, match=r"^n1: the connection was lost in the middle of the work.*run this again"
            ):
                node.run(Command(("sh", "-c", f"echo $$ >{mark}.part; mv {mark}.part {mark}; exec sleep 300"), timeout=400))
            assert time.monotonic() - began < 60
            with pytest.raises(ConnectionLostError):
                node.read("/etc/hostname")
            timer.join()
    pid = int(mark.read_text())
    _wait(lambda: not Path(f"/proc/{pid}").exists())


@pytest.mark.parametrize("error", [EOFError(), paramiko.SSHException("Key-exchange timed out")], ids=["cut", "no new keys"])
def test_a_connection_that_ends_as_something_is_sent_is_a_sentence_too(
    sshd: Sshd, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def gone(*_arguments: object) -> None:
        raise error

    monkeypatch.setattr("pykubeadm.node.ssh._GOODBYE", 0.1)
    with monkeypatch.context() as patched, sshd.connected() as node:
        for way in ("sendall", "shutdown_write", "close"):
            patched.setattr(paramiko.Channel, way, gone)
        with pytest.raises(ConnectionLostError, match=r"^n1: the connection was lost"):
            node.read("/etc/hostname")


def test_the_lock_ends_with_the_connection(sshd: Sshd) -> None:
    """Taken on this machine; where that is not root's, nothing can be locked."""
    if os.geteuid() != 0:
        pytest.skip("the lock is root's")
    with sshd.connected() as node:
        held = node.exclusive("pykubeadm test")
        held.__enter__()
        with sshd.connected() as other, pytest.raises(LockedError, match="pykubeadm test"), other.exclusive("x"):
            pytest.fail("two hold the lock")
    with sshd.connected() as node, node.exclusive("pykubeadm test"):
        pass


def test_secrets_and_large_files_arrive_whole(sshd: Sshd, tmp_path: Path) -> None:
    content = os.urandom(3_000_000)
    with sshd.connected() as node:
        node.write([File(f"{tmp_path}/f", content, 0o600, secret=True)])
        assert node.save(
            f"{tmp_path}/g", (content[start : start + 100_000] for start in range(0, len(content), 100_000)), 0o600
        ) == len(content)
        assert node.read(f"{tmp_path}/g") == content
    assert (tmp_path / "f").read_bytes() == content


def test_nothing_stays_on_the_node(sshd: Sshd) -> None:
    with sshd.connected() as node:
        pid = node.run(Command(("sh", "-c", "echo $PPID"), changes=False)).stdout.strip()
        assert "pykubeadm" in Path(f"/proc/{pid}/cmdline").read_text()
        assert "SECRET" not in Path(f"/proc/{pid}/cmdline").read_text()
    _wait(lambda: not Path(f"/proc/{pid}").exists())


def _wait(so, seconds: float = 120) -> None:
    end = time.monotonic() + seconds
    while not so():
        assert time.monotonic() < end
        time.sleep(0.05)


# servers that the node reaches


def test_servers_are_reached_from_the_node(sshd: Sshd) -> None:
    with sshd.connected() as node, serving() as server:
        server.answers = [(200, b"x" * 200_000)]
        tls = client_context(ca_pem())
        kept = Connections(f"https://{server.endpoint}", tls, timeout=10, proxy="", dial=node.route.dial)
        assert [len(kept.request("GET", "/a", None, {}).body) for _ in range(3)] == [200_000] * 3
        kept.close()
        assert exchange(f"https://{server.endpoint}/b", timeout=10, tls=tls, dial=node.route.dial).status == 200
        with pytest.raises(UnansweredError, match=r"n1 gets no connection to 127\.0\.0\.1 port 1"):
            exchange("https://127.0.0.1:1/", timeout=10, tls=tls, dial=node.route.dial)


def test_what_was_opened_from_the_node_ends_with_the_connection_to_it(sshd: Sshd) -> None:
    before = set(threading.enumerate())
    with socket.create_server(("127.0.0.1", 0)) as server:
        with sshd.connected() as node:
            assert node.route.dial is not None
            ours = node.route.dial("127.0.0.1", server.getsockname()[1], 10.0)
        with ours:
            _wait(lambda: not set(threading.enumerate()) - before, 20)
            ours.settimeout(10)
            assert ours.recv(1) == b""


def test_a_desk_with_many_open_files_connects(sshd: Sshd) -> None:
    """To some hundred machines."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < 1400:
        pytest.skip("this process may have too few open files")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 1400), hard))
    with ExitStack() as opened:
        opened.callback(resource.setrlimit, resource.RLIMIT_NOFILE, (soft, hard))
        while opened.enter_context(open("/dev/null", "rb")).fileno() < 1024:
            pass
        test_servers_are_reached_from_the_node(sshd)
