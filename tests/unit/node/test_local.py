from __future__ import annotations

import os
import time
from dataclasses import replace

import pytest

from pykubeadm.errors import NodeError
from pykubeadm.node import systemd
from pykubeadm.node.local import LocalNode
from pykubeadm.node.port import Completed, UnitState


@pytest.fixture
def node():
    return LocalNode()


def test_a_command_gives_its_output_and_status(node):
    assert node.run(["sh", "-c", "echo out; echo err >&2; exit 3"], check=False) == Completed(
        ("sh", "-c", "echo out; echo err >&2; exit 3"), 3, "out\n", "err\n"
    )


def test_a_failing_command_is_an_error_with_its_last_words(node):
    with pytest.raises(
        NodeError, match=r"(?s)cannot load the images on this node: `sh -c .*` ended with status 3: line 2\n  line 3.*6$"
    ):
        node.run(["sh", "-c", "for i in 1 2 3 4 5 6; do echo line $i >&2; done; exit 3"], summary="Load the images")


def test_a_command_killed_by_a_signal_says_so(node):
    with pytest.raises(NodeError, match="was killed by SIGTERM"):
        node.run(["sh", "-c", "kill $$"])


def test_a_missing_command_has_status_127(node):
    assert node.run(["no-such-command"], check=False).status == 127
    with pytest.raises(NodeError, match="there is no command no-such-command; install it"):
        node.run(["no-such-command"])


def test_standard_input_is_never_inherited(node):
    assert node.run(["cat"]).stdout == ""
    assert node.run(["cat"], stdin=b"secret").stdout == "secret"


def test_the_locale_is_c_and_system_directories_are_in_path(node, monkeypatch):
    monkeypatch.setenv("LC_MESSAGES", "de_DE.UTF-8")
    monkeypatch.setenv("LANGUAGE", "de")
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    reported = node.run(["sh", "-c", 'echo "$LC_ALL|$LC_MESSAGES|$LANGUAGE|$PATH|$MINE"'], env={"MINE": "1"}).stdout
    assert reported.strip() == "C|||/usr/bin:/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/sbin|1"


def test_at_the_timeout_the_whole_process_group_is_killed(node, tmp_path):
    pid = tmp_path / "pid"
    with pytest.raises(NodeError, match=r"did not end within 0\.3 s and was killed"):
        node.run(["sh", "-c", f"sleep 60 & echo $! > {pid}; wait"], timeout=0.3)
    for _ in range(100):
        if _state(int(pid.read_text())) in ("", "Z"):
            return
        time.sleep(0.02)
    pytest.fail("the grandchild lives on")


def _state(pid):
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return ""


def test_a_stream_gives_lines_as_they_come_and_ends_at_the_timeout(node):
    lines = node.stream(["sh", "-c", "echo one; echo two >&2; printf three; sleep 60"], timeout=0.5)
    assert list(lines) == ["one", "two", "three"]
    assert list(node.stream(["sh", "-c", "printf 'a\\nb'"])) == ["a", "b"]
    with pytest.raises(NodeError, match="cannot run"):
        next(node.stream(["no-such-command"]))


def test_a_stream_that_is_left_early_ends_its_command(node):
    lines = node.stream(["sh", "-c", "echo $$; exec sleep 60"])
    pid = int(next(lines))
    lines.close()
    assert _state(pid) == ""


def test_another_root_has_no_units_and_runs_commands_inside(tmp_path):
    tree = LocalNode(str(tmp_path))
    assert tree.unit("kubelet") == systemd.NOT_FOUND
    assert tree.ensure_unit("kubelet", restart=True) == ()
    assert tree.run(["ls", "/"], check=False).status in (125, 127)  # 125: chroot without privileges


def test_a_root_that_does_not_exist_is_named(tmp_path):
    with pytest.raises(NodeError, match=r"the root directory .*/none does not exist"):
        LocalNode(f"{tmp_path}/none")


class Systemctl:
    """systemctl by script: the properties of a unit, changed by what is done to it."""

    def __init__(self, **properties):
        self.properties = {"LoadState": "loaded", "ActiveState": "inactive", "UnitFileState": "disabled", **properties}
        self.done = []

    def __call__(self, argv, *, changes=True, check=True):
        if argv[1] == "show":
            return Completed(tuple(argv), 0, "".join(f"{name}={value}\n" for name, value in self.properties.items()), "")
        assert changes
        self.done.append(" ".join(argv[1:]).replace("-- ", ""))
        if argv[1] == "daemon-reload":
            self.properties |= {"NeedDaemonReload": "no"}
        return Completed(tuple(argv), 0, "", "")


def ensure(systemctl, **wanted):
    return systemd.ensure(systemctl, "kubelet", **{"enabled": True, "running": True, "restart": False, **wanted})


def test_a_unit_is_enabled_and_started():
    systemctl = Systemctl()
    assert ensure(systemctl) == ("enabled", "started")
    assert systemctl.done == ["enable kubelet.service", "start kubelet.service"]


def test_a_running_unit_is_left_alone_or_restarted():
    running = {"ActiveState": "active", "UnitFileState": "enabled"}
    assert ensure(Systemctl(**running)) == ()
    systemctl = Systemctl(**running)
    assert ensure(systemctl, restart=True) == ("restarted",)
    assert systemctl.done == ["restart kubelet.service"]


@pytest.mark.parametrize("state", ["inactive", "activating"])
def test_a_unit_to_be_restarted_that_systemd_may_have_started_meanwhile_is_restarted(state):
    systemctl = Systemctl(ActiveState=state, UnitFileState="enabled")
    assert ensure(systemctl, restart=True) == ("started",)
    assert systemctl.done == ["restart kubelet.service"]


def test_changed_unit_files_are_read_first():
    systemctl = Systemctl(NeedDaemonReload="yes", UnitFileState="enabled")
    assert ensure(systemctl) == ("started",)
    assert systemctl.done == ["daemon-reload", "start kubelet.service"]


def test_a_failed_unit_may_be_started_again():
    systemctl = Systemctl(ActiveState="failed", UnitFileState="static")
    assert ensure(systemctl) == ("started",)
    assert systemctl.done == ["reset-failed kubelet.service", "start kubelet.service"]


@pytest.mark.parametrize(
    ("load", "sentence"),
    [("masked", "systemctl unmask kubelet.service"), ("not-found", "not-found"), ("bad-setting", "bad-setting")],
)
def test_a_unit_that_cannot_run_is_an_error(load, sentence):
    with pytest.raises(NodeError, match=sentence):
        ensure(Systemctl(LoadState=load))


def test_the_state_of_a_unit():
    systemctl = Systemctl(ActiveState="activating", SubState="auto-restart", Result="exit-code", NRestarts="17")
    assert systemd.show(systemctl, "kubelet") == UnitState("loaded", "activating", "auto-restart", "disabled", "exit-code", 17)
    assert systemd.show(Systemctl(NeedDaemonReload="yes"), "kubelet").needs_reload


def test_a_state_that_is_known_is_not_asked_for_again():
    known = UnitState("loaded", "inactive", "dead", "enabled")
    systemctl = Systemctl(ActiveState="active")  # what it would say
    assert ensure(systemctl, known=known) == ("started",)
    assert ensure(Systemctl(), known=replace(known, needs_reload=True)) == ("enabled", "started")


def test_without_systemd_there_are_no_units(monkeypatch):
    isdir = os.path.isdir
    monkeypatch.setattr(os.path, "isdir", lambda path: path != "/run/systemd/system" and isdir(path))
    assert LocalNode().ensure_unit("kubelet") == ()
    assert LocalNode().unit("kubelet").load == "not-found"
