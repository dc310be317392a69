"""The log of a run: what was done, by host, and no secret."""

from __future__ import annotations

import stat

import pytest

from pykubeadm.errors import NodeError
from pykubeadm.fleet.log import RunLog, logged
from pykubeadm.node.port import Command, File, Unit, UnitState
from pykubeadm.workflow.events import NodeProgress
from tests.support.node import FakeNode, completed

RUNNING = UnitState("loaded", "active", "running", "enabled")
KEY = "-----BEGIN RSA PRIVATE KEY-----\nMIIEpAIBAAKCAQEA\n-----END RSA PRIVATE KEY-----"


@pytest.fixture
def log(tmp_path):
    return RunLog(str(tmp_path / "logs" / "run.log"))


def text(log: RunLog) -> str:
    with open(log.path, encoding="utf-8") as file:
        return file.read()


def test_commands_their_output_and_changes_are_written_down(log, tmp_path):
    node = logged(FakeNode(commands={"crictl info": completed("all is well\n")}, units={"kubelet.service": RUNNING}), "w1", log)
    node.run(Command(("crictl", "info")))
    node.write([File("/etc/x", b"content")])
    assert node.read("/etc/x") == b"content"
    node.remove(["/etc/x"])
    node.ensure_unit(Unit("kubelet.service", state="restarted"))
    written = text(log)
    assert "w1 $ crictl info → 0" in written
    assert "all is well" in written
    assert "w1 write /etc/x: changed /etc/x" in written
    assert "content" not in written
    assert "w1 remove /etc/x" in written
    assert "w1 unit kubelet.service: restarted" in written
    assert stat.S_IMODE((tmp_path / "logs" / "run.log").stat().st_mode) == 0o600


def test_a_command_that_fails_is_written_down(log):
    node = logged(FakeNode(commands={"false": completed(status=1, stderr="no")}), "w1", log)
    with pytest.raises(NodeError):
        node.run(Command(("false",)))
    assert "w1 $ false" in text(log)


def test_events_are_written_and_handed_on(log):
    seen = []
    emit = log.keeping(seen.append)
    emit(NodeProgress(node="w1", step="join/kubelet-start", outcome="changed", changes=("started the kubelet",), seconds=1.0))
    assert len(seen) == 1
    assert "w1 [join/kubelet-start] changed" in text(log)
    assert "    started the kubelet" in text(log)


@pytest.mark.parametrize(
    ("said", "secret"),
    [
        (KEY, "MIIEpAIBAAKCAQEA"),
        ("token: abcdef.0123456789abcdef", "0123456789abcdef"),
        ("--certificate-key " + "0" * 64, "0" * 64),
        ("client-key-data: TUlJRW9n", "TUlJRW9n"),
        ("password: hunter2", "hunter2"),
        ("password=hunter2", "hunter2"),
        ('{"token": "hunter2"}', "hunter2"),
        ("Bearer hunter2", "hunter2"),
        ("eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJhIn0.c2lnbmF0dXJl", "c2lnbmF0dXJl"),
        ("https://admin:hunter2@registry.example.org/v2/", "hunter2"),
    ],
)
def test_secrets_are_left_out(log, said, secret):
    log.line("w1", f"before {said} after")
    assert "before " in text(log)
    assert secret not in text(log)


def test_what_is_no_secret_stays(log):
    log.line("w1", "node w1.example.com is Ready")
    assert "node w1.example.com is Ready" in text(log)
