"""The module `units`."""

from __future__ import annotations

import time

import pytest
from ansible_collections.pykubeadm.kube.plugins.modules import units

from tests.support.modules import Machine

UNIT = {"name": "x.service", "state": "started", "enabled": True, "masked": None, "missing_ok": False} | {
    "configuration": [], "on_change": "restart", "validate": ["x", "check"],
}  # fmt: skip


SHOWN = "ActiveState=active\nUnitFileState=enabled\nFragmentPath=\nDropInPaths=\nNeedDaemonReload=no\n"


def ensure(here, **fields):
    units.ensure(here, units.Systemd(here), UNIT | fields)


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
