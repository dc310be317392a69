"""The module `units`."""

from __future__ import annotations

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
