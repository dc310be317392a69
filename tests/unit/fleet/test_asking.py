"""`cluster run` and `cluster kubeconfig`: how long a command may take, whose kubeconfig it is."""

from __future__ import annotations

import time
from contextlib import contextmanager

import pytest

from pykubeadm.errors import PhaseError, UsageError
from pykubeadm.fleet import asking
from pykubeadm.fleet.asking import admin_kubeconfig, run_on_each
from pykubeadm.fleet.facts import Facts
from pykubeadm.fleet.file import Described
from pykubeadm.fleet.options import Options
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
