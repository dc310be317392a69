"""The module `units`."""

from __future__ import annotations

import os
import time

import pytest
from ansible_collections.pykubeadm.kube.plugins.module_utils import file_lists
from ansible_collections.pykubeadm.kube.plugins.modules import units

from tests.support.modules import Machine

UNIT = {"name": "x.service", "state": "started", "enabled": True, "masked": None, "missing_ok": False} | {
    "configuration": [], "on_change": "restart", "validate": ["x", "check"],
}  # fmt: skip


SHOWN = "ActiveState=active\nUnitFileState=enabled\nFragmentPath=\nDropInPaths=\nNeedDaemonReload=no\n"


def ensure(here, **fields):
    systemd = units.Systemd(here)
    units.ensure(here, systemd, UNIT | fields, systemd.show("x.service"))


def test_a_masked_unit_is_refused_with_what_to_do():
    here = Machine({"systemctl show": "LoadState=masked\nUnitFileState=masked\nActiveState=inactive\n"})
    with pytest.raises(AssertionError, match=r"x\.service is masked; run `systemctl unmask x.service`"):
        ensure(here, state="any")


def test_a_wrong_configuration_does_not_end_the_process_that_runs(tmp_path):
    (tmp_path / "x.conf").touch()
    shown = f"LoadState=loaded\n{SHOWN}StateChangeTimestampMonotonic=1\n"
    here = Machine({"systemctl show": shown, "/usr/bin/x check": (1, "x.conf: line 1 is wrong")})
    with pytest.raises(AssertionError, match=r"left unchanged, because its configuration is wrong: x\.conf: line 1 is wrong"):
        ensure(here, configuration=[str(tmp_path)])
    assert not [line for line in here.commands if "restart" in line]
    here.answers["/usr/bin/x check"] = ""
    ensure(here, configuration=[str(tmp_path)])
    assert here.commands[-1] == "systemctl restart x.service"


def test_a_file_of_a_time_when_the_clock_was_ahead_is_no_reason_to_restart(tmp_path, monkeypatch):
    (tmp_path / "x.conf").touch()
    shown = (
        f"LoadState=loaded\n{SHOWN}StateChangeTimestampMonotonic={time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000 - 10**7}\n"
    )
    here = Machine({"systemctl show": shown, "/usr/bin/x check": ""})
    right = time.time() - 3600
    with monkeypatch.context() as set_right:
        set_right.setattr(units.time, "time", lambda: right)
        ensure(here, configuration=[str(tmp_path)])
    assert not [line for line in here.commands if "restart" in line]
    ensure(here, configuration=[str(tmp_path)])
    assert here.commands[-1] == "systemctl restart x.service"


@pytest.mark.parametrize("reload", ["yes", "no"])
def test_a_service_that_its_timer_starts_is_read_again_and_not_started(reload):
    shown = f"LoadState=loaded\nActiveState=inactive\nUnitFileState=static\nDropInPaths=\nNeedDaemonReload={reload}\n"
    here = Machine({"systemctl show": shown})
    ensure(here, state="any", enabled=None, on_change="nothing")
    assert [line for line in here.commands if " show " not in line] == (["systemctl daemon-reload"] if reload == "yes" else [])


@pytest.fixture
def called(monkeypatch):
    """The whole module, called with files and units on a machine with systemd: what it reports."""

    def call(here, **params):
        reported = []
        here.params = {"files": [], "units": []} | params
        here.selinux_enabled = lambda: False
        here.exit_json = lambda **result: reported.append(result)
        monkeypatch.setattr(units, "AnsibleModule", lambda *_arguments, **_options: here)
        monkeypatch.setattr(
            units.os.path, "isdir", lambda path, isdir=os.path.isdir: path == "/run/systemd/system" or isdir(path)
        )
        units.main()
        return reported[0]

    return call


def entry(path, **fields):
    defaults = {name: option.get("default") for name, option in file_lists.OPTIONS.items()}
    return defaults | {"path": str(path), "owner": str(os.getuid()), "group": str(os.getgid())} | fields


def test_what_a_unit_reads_is_there_before_it_starts(tmp_path, called):
    class Here(Machine):
        def run_command(self, command, **options):
            assert (tmp_path / "x.conf").read_text() == "new"
            return super().run_command(command, **options)

    here = Here({"systemctl show": f"LoadState=loaded\n{SHOWN.replace('=active', '=inactive')}"})
    unit = UNIT | {"wait_for": [], "timeout": 1}
    result = called(here, files=[entry(tmp_path / "x.conf", content="new")], units=[unit])
    assert (result["changed"], result["paths"]) == (True, [str(tmp_path / "x.conf")])
    assert result["actions"] == ["start x.service"]
    assert [each["after"] for each in result["diff"]] == ["new", "x.service: start x.service\n"]
    again = called(Machine({"systemctl show": f"LoadState=loaded\n{SHOWN}"}), files=[entry(tmp_path / "x.conf", content="new")])
    assert (again["changed"], again["paths"]) == (False, [])


@pytest.mark.parametrize(("state", "actions"), [("active", ["restart x.service"]), ("inactive", ["start x.service"])])
def test_check_mode_says_that_a_unit_would_start_again_with_its_new_files(tmp_path, called, state, actions):
    shown = f"LoadState=loaded\n{SHOWN.replace('=active', '=' + state)}"
    since = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
    here = Machine({"systemctl show": f"{shown}StateChangeTimestampMonotonic={since}\n"})
    here.check_mode = True
    files = [entry(tmp_path / "x.d/x.conf", content="new"), entry(tmp_path / "other", content="new")]
    unit = UNIT | {"wait_for": [], "timeout": 1, "configuration": [str(tmp_path / "x.d")]}
    assert called(here, files=files, units=[unit])["actions"] == actions
    assert not [line for line in here.commands if " show " not in line]
    assert called(here, files=files[1:], units=[unit])["actions"] == actions[: state == "inactive"]


def test_a_unit_whose_files_cannot_be_made_is_left_alone(tmp_path, called):
    (tmp_path / "x.conf").mkdir()
    here = Machine()
    with pytest.raises(AssertionError, match=r"x\.conf must be a file, but a directory is in its place"):
        called(here, files=[entry(tmp_path / "x.conf", content="new")], units=[UNIT])
    assert here.commands == []
