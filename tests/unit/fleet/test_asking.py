"""`cluster run` and `cluster kubeconfig`: how long a command may take, whose kubeconfig it is."""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager

import pytest

from pykubeadm.errors import PhaseError, UsageError
from pykubeadm.fleet import asking
from pykubeadm.fleet.asking import admin_kubeconfig, run_on_each
from pykubeadm.fleet.facts import Facts
from pykubeadm.fleet.file import Described
from pykubeadm.fleet.log import RunLog
from pykubeadm.fleet.options import Options
from pykubeadm.util.redact import Redactor
from tests.support.fleets import cluster, control_plane, fleet, host
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


def test_the_kubeconfig_is_of_the_control_planes_of_the_limit(monkeypatch):
    described = Described(fleet(host("c1", "control-plane"), host("c2", "control-plane"), host("w1")))
    looked, nodes = [], {name: FakeNode(name) for name in ("c1", "c2")}
    nodes["c2"].put("/etc/kubernetes/admin.conf", "of c2")

    def look(_described, _machines, hosts):
        looked.append([each.name for each in hosts])
        return Facts({each.name: control_plane(each.name) for each in hosts}, cluster("c2"))

    @contextmanager
    def connect(which):
        yield nodes[which.name]

    monkeypatch.setattr(asking, "look", look)
    for limit in ((), ("c2", "w1")):
        assert admin_kubeconfig(described, Options(limit=limit), connect=connect) == "of c2"
    assert looked == [["c1", "c2"], ["c2"]]
    with pytest.raises(PhaseError, match="no control plane's API server answers"):
        admin_kubeconfig(described, Options(limit=("c1",)), connect=connect)
    for limit, sentence in ((("w1",), "name a control plane"), (("typo",), "there is no host typo")):
        with pytest.raises(UsageError, match=sentence):
            admin_kubeconfig(described, Options(limit=limit), connect=connect)


DESCRIBED = Described(fleet(host("c1", "control-plane"), host("w1")))


def test_the_log_holds_the_command_and_all_of_its_output_on_each_host(tmp_path):
    long = "".join(f"line {number} {'x' * 400}\n" for number in range(500))

    @contextmanager
    def connect(which):
        found = completed(f"{long}password: hunter2\n", stderr="not good\n", status=3)
        yield FakeNode(which.name, commands={"report": found})

    log = RunLog(str(tmp_path / "run.log"))
    assert run_on_each(DESCRIBED, ["report"], Options(), lambda *_: None, connect=connect, log=log) == 2
    written = (tmp_path / "run.log").read_text()
    for name in ("c1", "w1"):
        assert f" {name} $ report → 3 (" in written
    assert written.count(f"    line 499 {'x' * 400}\n") == 2
    assert written.count("    not good\n") == 2
    assert "hunter2" not in written


def test_what_a_host_says_is_shown_before_it_is_written_down(tmp_path, monkeypatch):
    shown = threading.Event()

    def redacted(_self, text):
        assert shown.wait(5), "nothing was shown before it was written down"
        return text

    @contextmanager
    def connect(which):
        yield FakeNode(which.name, commands={"uptime": completed("up 3 days\n")})

    monkeypatch.setattr(Redactor, "__call__", redacted)
    log = RunLog(str(tmp_path / "run.log"))
    assert run_on_each(DESCRIBED, ["uptime"], Options(), lambda *_: shown.set(), connect=connect, log=log) == 0
    assert (tmp_path / "run.log").read_text().count("    up 3 days\n") == 2


def test_what_a_host_says_is_shown_while_another_one_is_not_through():
    shown, first = [], threading.Event()

    def slow(_command):
        assert first.wait(10), "nothing was shown before all were through"
        return completed("late")

    @contextmanager
    def connect(which):
        yield FakeNode(which.name, commands={"uptime": slow if which.name == "c1" else completed("early")})

    def show(name, ended):
        shown.append((name, ended.stdout))
        first.set()

    assert run_on_each(DESCRIBED, ["uptime"], Options(), show, connect=connect) == 0
    assert shown == [("w1", "early"), ("c1", "late")]
