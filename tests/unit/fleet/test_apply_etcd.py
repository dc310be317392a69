"""How a plan is carried out where hosts of their own have etcd: they come first, and leave etcd before they are reset."""

from __future__ import annotations

import time
from contextlib import contextmanager

import pytest

from pykubeadm.errors import PhaseError, PykubeadmError
from pykubeadm.fleet import apply
from pykubeadm.fleet.facts import Facts
from pykubeadm.node.port import File
from tests.support.fleet_desk import Desk, raising
from tests.support.fleets import cluster, control_plane, host, node, unreachable
from tests.support.fleets import ready as ready_facts


def etcd_desk(monkeypatch):
    """Two hosts of etcd, on which what is done is faked, and a control plane; e1 makes the CA, the others are given it."""
    hosts = (host("e1", "etcd"), host("e2", "etcd"), host("c1", "control-plane"))
    desk = Desk(monkeypatch, *hosts, facts=[ready_facts(each.name) for each in hosts])

    def files(_described, machine):
        return [File("/etc/kubernetes/pki/etcd/ca.crt", machine.name.encode())]

    monkeypatch.setattr(apply, "make_authority", lambda _d, which, _n, _e: desk.did("authority", which.name))
    monkeypatch.setattr(apply, "make_member", lambda _d, which, _n, _e, _o: desk.did("member", which.name))
    monkeypatch.setattr(apply, "look", lambda *_: desk.facts)
    monkeypatch.setattr(apply, "authority_of", files)
    monkeypatch.setattr(apply, "client_of", files)
    return desk


def test_the_first_control_plane_waits_for_etcd_and_is_given_its_client(monkeypatch):
    desk = etcd_desk(monkeypatch)
    desk.does["authority", "e1"] = lambda: time.sleep(0.05)
    desk.does["member", "e2"] = lambda: time.sleep(0.05)
    desk.apply()
    assert desk.done.index("authority e1") < min(desk.done.index(f"member {name}") for name in ("e1", "e2"))
    assert desk.done[-1] == "init c1"
    assert {name: desk.nodes[name].read("/etc/kubernetes/pki/etcd/ca.crt") for name in ("e2", "c1")} == {"e2": b"e1", "c1": b"e1"}


def test_the_client_of_etcd_is_a_healthy_member_s_whatever_the_limit(monkeypatch):
    desk = etcd_desk(monkeypatch)
    whole = Facts({"e1": unreachable("e1"), "e2": ready_facts("e2", etcd=True, has_state=True)})
    desk.facts = Facts({"c1": control_plane("c1", unfinished="init")}, cluster("c1", node("c1")))
    desk.connect = contextmanager(lambda which: iter([desk.nodes[which.name]]))
    asked = []
    monkeypatch.setattr(apply, "look", lambda _described, _machines, hosts: asked.extend(hosts) or whole)
    desk.apply(limit=("c1",))
    assert [each.name for each in asked] == ["e1", "e2"]
    assert desk.nodes["c1"].read("/etc/kubernetes/pki/etcd/ca.crt") == b"e2"


def test_without_etcd_no_control_plane_begins_and_the_cause_is_said_once(monkeypatch):
    desk = etcd_desk(monkeypatch)

    desk.does["authority", "e1"] = raising(PhaseError("the disk is full"))
    with pytest.raises(PykubeadmError) as failed:
        desk.apply()
    assert str(failed.value).startswith("e1: the disk is full\nrun the same command again")
    assert desk.done == []


def test_a_host_of_etcd_that_leaves_is_out_of_etcd_before_it_is_reset(monkeypatch):
    hosts = (host("e1", "etcd"), host("e2", "etcd", state="absent"), host("c1", "control-plane"))
    members = [ready_facts(name, etcd=True, has_state=True) for name in ("e1", "e2")]
    desk = Desk(monkeypatch, *hosts, facts=[*members, control_plane("c1")], found=cluster("c1", node("c1")))
    left = []
    monkeypatch.setattr(apply, "leave", lambda _d, which, _n, others: left.append((which.name, others)) or ["removed it"])
    desk.apply()
    assert left == [("e2", [hosts[0]])]
    assert desk.done == ["reset e2"]


def test_of_a_host_of_etcd_that_is_gone_the_others_forget_the_member(monkeypatch):
    hosts = (host("e1", "etcd"), host("e2", "etcd", state="absent"), host("c1", "control-plane"))
    there = ready_facts("e1", etcd=True, has_state=True, etcd_members=("e1", "e2"))
    desk = Desk(monkeypatch, *hosts, facts=[there, unreachable("e2"), control_plane("c1")], found=cluster("c1", node("c1")))
    left = []
    monkeypatch.setattr(apply, "leave", lambda _d, which, machine, _o: left.append((which.name, machine.name)) or ["removed it"])
    desk.apply()
    assert left == [("e2", "e1")]
    assert desk.done == []


def test_a_host_of_etcd_is_not_reset_where_nobody_healthy_can_take_it_out(monkeypatch):
    hosts = (host("e1", "etcd"), host("e2", "etcd", state="absent"), host("c1", "control-plane"))
    members = [ready_facts("e1", etcd=True, has_state=True, etcd_ailment="it sees no leader")]
    members.append(ready_facts("e2", etcd=True, has_state=True))
    desk = Desk(monkeypatch, *hosts, facts=[*members, control_plane("c1")], found=cluster("c1", node("c1")))
    monkeypatch.setattr(apply, "make_authority", lambda *_: None)
    monkeypatch.setattr(apply, "make_member", lambda *_: None)
    with pytest.raises(PykubeadmError, match="e2: none of e1 is a healthy member of etcd that could take it out"):
        desk.apply()
    assert "reset e2" not in desk.done


def test_no_second_ca_of_etcd_is_made(monkeypatch):
    desk = etcd_desk(monkeypatch)
    ailing = ready_facts("e1", etcd=True, has_state=True, etcd_ailment="it sees no leader")
    desk.facts = Facts({**desk.facts.nodes, "e1": ailing, "e2": ready_facts("e2", etcd_ca=True)})
    with pytest.raises(PykubeadmError, match="etcd's CA and its key are not there, and e2 has a member or a CA"):
        desk.apply()
    assert desk.done == []
