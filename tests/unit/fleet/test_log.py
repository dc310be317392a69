"""The log of a run: what was done, by host, and no secret."""

from __future__ import annotations

import base64
import stat

import pytest

from pykubeadm.ansible.results import TaskEnded
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
    log.flush()
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


def test_a_look_up_ahead_is_written_down(log):
    look = Command.look_up(("crictl", "version"), "ask for the version")
    node = logged(FakeNode(commands={"crictl version": completed("1.36\n")}), "w1", log)
    assert node.ahead(run=[look]).run(look).stdout == "1.36\n"
    assert "w1 $ crictl version → 0" in text(log)
    assert "    1.36\n" in text(log)


def test_output_is_written_down_again_when_it_is_another_one(log):
    outputs = iter(["starting\n", "starting\n", "running\n", "starting\n"])
    node = logged(FakeNode(commands={"crictl ps": lambda _command: completed(next(outputs))}), "w1", log)
    for _ in range(4):
        node.run(Command(("crictl", "ps")))
    assert text(log).count("$ crictl ps → 0") == 4
    assert text(log).count("with the same output as before") == 1
    assert text(log).count("    starting\n") == 2


def test_of_very_long_output_the_beginning_and_the_end_are_written_down(log):
    lines = [f"{number:07d} {'x' * 92}" for number in range(30_000)]
    node = logged(FakeNode(commands={"journalctl": completed("\n".join(lines))}), "w1", log)
    node.run(Command(("journalctl",)))
    written = text(log)
    assert 1 << 20 <= len(written) + 2 * 101 <= (1 << 20) * 1.1
    assert lines[0] in written
    assert lines[-1] in written
    assert lines[15_000] not in written
    assert "characters are left out here]" in written


def test_tasks_of_a_playbook_are_written_down_with_what_their_commands_said(log):
    seen = []
    report = log.keeping_tasks(seen.append)
    task = TaskEnded(
        "w1", "pykubeadm.kube.cni", "Apply the network", "changed", output="$ kubectl apply\ntoken: hunter2\napplied"
    )
    report(task)
    report(TaskEnded("w1", "pykubeadm.kube.cni", "Look", "skipped"))
    report(TaskEnded("w1", "", "Pull", "failed", message="no such image"))
    assert len(seen) == 3
    written = text(log)
    assert "w1 [cni] Apply the network: changed" in written
    assert "    $ kubectl apply\n" in written
    assert "    applied\n" in written
    assert "w1 [ansible] Pull: failed (0.00s)\n    no such image\n" in written
    assert "hunter2" not in written
    assert "Look" not in written


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


def test_a_run_goes_on_without_a_log_that_cannot_be_written(tmp_path):
    (tmp_path / "file").touch()
    log = RunLog(str(tmp_path / "file" / "run.log"))
    node = logged(FakeNode(commands={"uptime": completed("up\n")}), "w1", log)
    assert [node.run(Command(("uptime",))).stdout for _ in range(2)] == ["up\n", "up\n"]
    log.flush()
    assert log.problem == f"the log {log.path} could not be written: File exists"
    assert not log.made


def test_what_is_known_to_be_secret_is_left_out_however_it_is_said(tmp_path):
    log = RunLog(str(tmp_path / "run.log"), ["correct horse"])
    log.line("w1", f"sudo: correct horse, or {base64.b64encode(b'correct horse').decode()}")
    log.hide(["0123456789abcdef"])
    log.line("w1", "it said 0123456789abcdef and correct horse")
    assert "sudo: [removed], or [removed]\n" in text(log)
    assert "it said [removed] and [removed]\n" in text(log)


def test_what_is_no_secret_stays(log):
    log.line("w1", "node w1.example.com is Ready")
    assert "node w1.example.com is Ready" in text(log)
