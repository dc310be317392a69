from __future__ import annotations

import os
import time
from dataclasses import replace

import pytest

from pykubeadm.errors import NodeError
from pykubeadm.node import systemd
from pykubeadm.node.local import LocalNode
from pykubeadm.node.port import Command, Completed, Unit, UnitState
from tests.support.systemctl import INSTALLED, RUNNING, Systemctl


@pytest.fixture
def node():
    return LocalNode()


def test_a_command_gives_its_output_and_status(node):
    command = Command(("sh", "-c", "echo out; echo err >&2; exit 3"), check=False)
    assert node.run(command) == Completed(3, "out\n", "err\n")


def test_a_failing_command_is_an_error_with_its_last_words(node):
    with pytest.raises(
        NodeError, match=r"(?s)cannot load the images on this node: `sh -c .*` ended with status 3: line 2\n  line 3.*6$"
    ):
        node.run(Command(("sh", "-c", "for i in 1 2 3 4 5 6; do echo line $i >&2; done; exit 3"), "load the images"))


def test_a_command_killed_by_a_signal_says_so(node):
    with pytest.raises(NodeError, match="was killed by SIGTERM"):
        node.run(Command(("sh", "-c", "kill $$")))


def test_a_missing_command_has_status_127(node):
    assert node.run(Command(("no-such-command",), check=False)).status == 127
    with pytest.raises(NodeError, match="there is no command no-such-command; install it"):
        node.run(Command(("no-such-command",)))


def test_standard_input_is_never_inherited(node):
    assert node.run(Command(("cat",))).stdout == ""
    assert node.run(Command(("cat",), stdin=b"secret")).stdout == "secret"


def test_the_locale_is_c_and_system_directories_are_in_path(node, monkeypatch):
    monkeypatch.setenv("LC_MESSAGES", "de_DE.UTF-8")
    monkeypatch.setenv("LANGUAGE", "de")
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    command = Command(("sh", "-c", 'echo "$LC_ALL|$LC_MESSAGES|$LANGUAGE|$PATH|$MINE"'), env={"MINE": "1"})
    assert node.run(command).stdout.strip() == "C|||/usr/bin:/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/sbin|1"


def test_at_the_timeout_the_whole_process_group_is_killed(node, tmp_path):
    pid = tmp_path / "pid"
    for timeout in (0.3, 3, 30):  # until the shell gets so far: not in any time on a busy machine
        with pytest.raises(NodeError, match=rf"did not end within {timeout} s and was killed"):
            node.run(Command(("sh", "-c", f"sleep 60 & echo $! > {pid}.new; mv {pid}.new {pid}; wait"), timeout=timeout))
        if pid.exists():
            break
    for _ in range(3000):
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


def test_another_root_has_no_units_and_runs_commands_inside(tmp_path):
    tree = LocalNode(str(tmp_path))
    assert tree.unit("kubelet") == systemd.NOT_FOUND
    assert tree.ensure_unit(Unit("kubelet", state="restarted")) == ()
    assert tree.run(Command(("ls", "/"), check=False)).status in (125, 127)  # 125: chroot without privileges


def test_a_root_that_does_not_exist_is_named(tmp_path):
    with pytest.raises(NodeError, match=r"the root directory .*/none does not exist"):
        LocalNode(f"{tmp_path}/none")


STOPPED = UnitState("loaded", "inactive", "dead", "enabled")


def systemctl(state, **fields):
    return Systemctl({"kubelet": replace(state, **fields)})


def test_a_unit_is_enabled_and_started():
    ctl = systemctl(INSTALLED)
    assert systemd.ensure(ctl, Unit("kubelet")) == ("enabled", "started")
    assert ctl.done == ["enable kubelet.service", "start kubelet.service"]


def test_a_running_unit_is_left_alone_or_restarted():
    assert systemd.ensure(systemctl(RUNNING), Unit("kubelet")) == ()
    ctl = systemctl(RUNNING)
    assert systemd.ensure(ctl, Unit("kubelet", state="restarted")) == ("restarted",)
    assert ctl.done == ["restart kubelet.service"]


@pytest.mark.parametrize("active", ["inactive", "activating"])
def test_a_unit_to_be_restarted_that_systemd_may_have_started_meanwhile_is_restarted(active):
    ctl = systemctl(STOPPED, active=active)
    assert systemd.ensure(ctl, Unit("kubelet", state="restarted")) == ("started",)
    assert ctl.done == ["restart kubelet.service"]


def test_changed_unit_files_are_read_first():
    ctl = systemctl(STOPPED, needs_reload=True)
    assert systemd.ensure(ctl, Unit("kubelet")) == ("started",)
    assert ctl.done == ["daemon-reload", "start kubelet.service"]


def test_a_new_unit_file_is_read_first():
    ctl = Systemctl(installed=lambda: ["kubelet.service"])
    assert systemd.ensure(ctl, Unit("kubelet")) == ("enabled", "started")


def test_a_failed_unit_may_be_started_again():
    ctl = systemctl(STOPPED, active="failed", enabled="static")
    assert systemd.ensure(ctl, Unit("kubelet")) == ("started",)
    assert ctl.done == ["reset-failed kubelet.service", "start kubelet.service"]


@pytest.mark.parametrize("state", ["started", "restarted"])
@pytest.mark.parametrize(
    ("load", "sentence"),
    [("masked", "systemctl unmask kubelet.service"), ("not-found", "not-found"), ("bad-setting", "bad-setting")],
)
def test_a_unit_that_cannot_run_is_an_error(load, sentence, state):
    with pytest.raises(NodeError, match=sentence):
        systemd.ensure(systemctl(INSTALLED, load=load), Unit("kubelet", state=state))


def test_a_unit_is_disabled_and_stopped():
    ctl = systemctl(RUNNING, needs_reload=True)
    assert systemd.ensure(ctl, Unit("kubelet", enabled=False, state="stopped")) == ("disabled", "stopped")
    assert ctl.done == ["disable kubelet.service", "stop kubelet.service"]
    assert systemd.ensure(ctl, Unit("kubelet", enabled=False, state="stopped")) == ()


def test_a_unit_that_systemd_is_about_to_start_again_is_stopped():
    ctl = systemctl(STOPPED, active="activating", sub="auto-restart")
    assert systemd.ensure(ctl, Unit("kubelet", enabled=None, state="stopped")) == ("stopped",)
    assert ctl.units["kubelet"] == STOPPED


@pytest.mark.parametrize("state", [systemd.NOT_FOUND, replace(INSTALLED, load="masked", enabled="masked"), INSTALLED])
def test_what_neither_runs_nor_would_start_is_left_alone(state):
    ctl = systemctl(state)
    assert systemd.ensure(ctl, Unit("kubelet", enabled=False, state="stopped")) == ()
    assert ctl.done == []


def test_a_unit_whose_file_is_gone_is_stopped():
    ctl = systemctl(systemd.NOT_FOUND, active="active", sub="running")
    assert systemd.ensure(ctl, Unit("kubelet", enabled=False, state="stopped")) == ("stopped",)


def test_a_unit_without_an_install_section_cannot_be_disabled_and_is_only_stopped():
    assert systemd.ensure(systemctl(RUNNING, enabled="static"), Unit("kubelet", enabled=False, state="stopped")) == ("stopped",)


def test_what_is_not_spoken_of_is_left_alone():
    assert systemd.ensure(systemctl(INSTALLED), Unit("kubelet", enabled=None)) == ("started",)
    assert systemd.ensure(systemctl(RUNNING), Unit("kubelet", enabled=False, state=None)) == ("disabled",)


def test_the_state_of_a_unit():
    state = UnitState("loaded", "activating", "auto-restart", "disabled", "exit-code", 17, needs_reload=True)
    assert systemd.show(systemctl(state), "kubelet") == state
    assert systemd.show(lambda _command: Completed(1, stderr="Failed to connect to bus"), "kubelet") == systemd.NOT_FOUND


def test_a_state_that_is_known_is_not_asked_for_again():
    ctl = systemctl(RUNNING)  # what it would say
    assert systemd.ensure(ctl, Unit("kubelet"), known=STOPPED) == ("started",)
    assert systemd.ensure(systemctl(INSTALLED), Unit("kubelet"), known=replace(STOPPED, needs_reload=True)) == (
        "enabled",
        "started",
    )


def test_without_systemd_there_are_no_units(monkeypatch):
    isdir = os.path.isdir
    monkeypatch.setattr(os.path, "isdir", lambda path: path != "/run/systemd/system" and isdir(path))
    assert LocalNode().ensure_unit(Unit("kubelet")) == ()
    assert LocalNode().unit("kubelet").load == "not-found"
