"""Machines leave a cluster: whom etcd can spare, and what becomes of the machine where it cannot."""

from __future__ import annotations

import threading
import time

import pytest

from pykubeadm.config.fleet import CONTROL_PLANE
from pykubeadm.errors import PhaseError, PreflightError, PykubeadmError
from pykubeadm.etcd.client import Member
from pykubeadm.fleet import leaving
from pykubeadm.fleet.admission import Admission, Open
from pykubeadm.fleet.leaving import forget, remove
from pykubeadm.fleet.progress import of_host
from tests.support.api import FakeApi
from tests.support.fleets import host
from tests.support.node import FakeNode
from tests.unit.phases.test_leaving import MEMBERS, NAMES, Etcd, node

ENDPOINT = "api.example.com:6443"


class Members(Etcd):
    """Members that are gone once they were removed, which takes its seconds."""

    takes = 0.0

    def remove(self, member_id):
        time.sleep(self.takes)
        super().remove(member_id)
        self.known = tuple(member for member in self.known if member.id != member_id)
        return self.known


class Desk:
    """A cluster of three control planes, asked at cp1; `resets` are the phases that ran on machines that were reset, by name,
    and `removed` who had left etcd when the first of them began."""

    def __init__(self, monkeypatch):
        self.api, self.etcd, self.resets, self.removed = FakeApi(), Members(), {}, []
        for number, name in enumerate(NAMES, 1):
            self.api.put(node(name, f"10.0.0.{number}"))
        self.cluster = Open(host("cp1", CONTROL_PLANE), FakeNode("cp1"), self.api, Admission("", ""))
        monkeypatch.setattr(leaving, "etcd_of", lambda _node, _api: self.etcd)
        monkeypatch.setattr("pykubeadm.commands.reset.command.reset", self.reset)

    def reset(self, options, _emit, *, confirm, choose, machine):
        assert not options.get("force"), "etcd's majority is not to be ignored"
        assert confirm()
        self.removed = self.removed or self.etcd.removed[:]
        self.resets[machine.name] = [step.path for step in choose(())]

    def remove(self, name):
        remove(self.cluster, host(name, CONTROL_PLANE), FakeNode(name), ENDPOINT, of_host(name, "remove", lambda _event: None))

    def forget(self, name):
        forget(self.cluster, name, ENDPOINT, of_host(name, "forget", lambda _event: None))


@pytest.fixture
def desk(monkeypatch):
    return Desk(monkeypatch)


def test_one_is_out_of_etcd_before_it_is_reset(desk):
    desk.remove("cp2")
    assert desk.resets == {"cp2": ["preflight", "cleanup-node"]}
    assert desk.removed == [2]
    assert desk.api.get("v1", "Node", "cp2") is None


def test_one_that_etcd_cannot_spare_is_left_as_it_is(desk):
    """cp3 is dead: without cp2 one of three would be left."""
    desk.etcd.ailing = ("cp3",)
    with pytest.raises(PreflightError, match=r"of the 2 members that would be left only 1 would be healthy \(member cp3"):
        desk.remove("cp2")
    assert (desk.resets, desk.etcd.removed, desk.api.writes) == ({}, [], [])


def test_one_whose_member_remains_is_not_reset(desk, monkeypatch):
    def refuse(*_args, **_options):
        raise PhaseError("timed out after 120 s of waiting for etcd to remove member cp2 (unhealthy cluster)")

    monkeypatch.setattr("pykubeadm.phases.etcd.leave.remove_member", refuse)
    with pytest.raises(PhaseError, match="unhealthy cluster"):
        desk.remove("cp2")
    assert desk.resets == {}
    assert desk.api.get("v1", "Node", "cp2") is not None


def test_the_pods_of_one_with_a_dead_kubelet_are_not_waited_for(desk, monkeypatch):
    """Nobody would end them: they go with its Node."""
    monkeypatch.setattr("pykubeadm.phases.cluster.drain.drain", lambda *_args, **_options: pytest.fail("it was drained"))
    desk.api.put(node("cp2", "10.0.0.2", ready=False))
    desk.remove("cp2")
    assert desk.resets == {"cp2": ["preflight", "cleanup-node"]}
    assert desk.api.get("v1", "Node", "cp2") is None


def test_two_that_leave_at_the_same_time_are_judged_one_after_the_other(desk):
    """Of four, one is dead: etcd can spare one more, and not two."""
    desk.etcd.known = (*MEMBERS, Member(4, "cp4", ("https://10.0.0.4:2380",), ("https://10.0.0.4:2379",)))
    desk.etcd.ailing, desk.etcd.takes = ("cp4",), 0.2
    failed = []

    def one(name):
        try:
            desk.remove(name)
        except PykubeadmError as error:
            failed.append(error)

    threads = [threading.Thread(target=one, args=(name,)) for name in ("cp2", "cp3")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(desk.etcd.removed) == len(desk.resets) == 1
    assert [type(error) for error in failed] == [PreflightError]


def test_one_whose_reset_hangs_holds_up_no_other(desk, monkeypatch):
    """Of five, etcd can spare two."""
    more = [Member(at, f"cp{at}", (f"https://10.0.0.{at}:2380",), (f"https://10.0.0.{at}:2379",)) for at in (4, 5)]
    desk.etcd.known = (*MEMBERS, *more)
    hangs, over = threading.Event(), threading.Event()

    def reset(_options, _emit, *, machine, **_more):
        desk.resets[machine.name] = []
        if machine.name == "cp2":
            hangs.set()
            assert over.wait(20)

    monkeypatch.setattr("pykubeadm.commands.reset.command.reset", reset)
    first, second = (threading.Thread(target=desk.remove, args=(name,), daemon=True) for name in ("cp2", "cp3"))
    first.start()
    assert hangs.wait(10)
    second.start()
    second.join(5)
    assert not second.is_alive()
    over.set()
    first.join()
    assert sorted(desk.etcd.removed) == [2, 3]
    assert {*desk.resets} == {"cp2", "cp3"}


def test_a_machine_that_the_cluster_does_not_know_leaves_the_etcd_of_its_own_by_itself(desk):
    desk.remove("cp9")
    assert desk.resets == {"cp9": ["preflight", "remove-etcd-member", "cleanup-node"]}
    assert desk.etcd.removed == []


def test_forgetting_a_dead_one_takes_it_out_of_etcd(desk):
    desk.etcd.ailing = ("cp3",)
    desk.forget("cp3")
    assert desk.etcd.removed == [3]
    assert desk.api.get("v1", "Node", "cp3") is None
    desk.forget("cp3")
    assert desk.etcd.removed == [3]
