"""`cluster run`: a command on every machine, and how long it may take."""

from __future__ import annotations

import time
from contextlib import contextmanager

import pytest

from pykubeadm.fleet.asking import run_on_each
from pykubeadm.fleet.file import Described
from pykubeadm.fleet.options import Options
from tests.support.fleets import fleet, host
from tests.support.node import FakeNode, completed


@pytest.mark.parametrize(
    ("timeout", "since", "allowed"),
    [
        (0.0, 0.0, [24 * 3600.0, 24 * 3600.0]),
        (7200.0, 3600.0, [3600.0, 3600.0]),
        (60.0, 3600.0, []),
    ],
    ids=["no end", "in time", "too late"],
)
def test_a_command_may_take_what_is_left_of_the_time(timeout, since, allowed):
    ran, ended = [], {}

    def run(command):
        ran.append(command.timeout)
        return completed("ok")

    @contextmanager
    def connect(which):
        yield FakeNode(which.name, commands={"uptime": run})

    described = Described(fleet(host("c1", "control-plane"), host("w1")))
    options = Options(timeout=timeout, began=time.monotonic() - since)
    failed = run_on_each(described, ["uptime"], options, ended.__setitem__, connect=connect)
    assert ran == pytest.approx(allowed, abs=30)
    assert failed == 2 - len(allowed)
    for name in ended if failed else ():
        assert str(ended[name]) == f"{name}: the command was not begun when --timeout ended the run"
