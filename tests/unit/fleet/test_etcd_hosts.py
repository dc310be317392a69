"""Hosts with the part etcd: in which order they begin, what is on them, and what of it control planes get."""

from __future__ import annotations

from dataclasses import replace

import pytest
import yaml

from pykubeadm.errors import PhaseError
from pykubeadm.etcd.client import Member, Status
from pykubeadm.fleet import etcd_hosts
from pykubeadm.fleet.etcd_hosts import (
    against_authority,
    authority_of,
    client_of,
    established,
    keep,
    keeper,
    look_at_member,
    make_authority,
    make_member,
)
from pykubeadm.fleet.facts import Facts, NodeFacts
from pykubeadm.fleet.file import Described, describe
from pykubeadm.fleet.progress import of_host
from pykubeadm.node.port import UnitState
from pykubeadm.pki.check import load_certificates
from tests.support.fleets import bare, cluster, control_plane, fleet, host, node, plan_of, ready, said, unreachable
from tests.support.node import FakeNode, completed

PKI = "/etc/kubernetes/pki"
HOSTS = (
    host("e1", "etcd"),
    host("e2", "etcd"),
    host("c1", "control-plane"),
    host("w1"),
)
FILE = """\
apiVersion: pykubeadm.cluster/v1
kind: Cluster
hosts:
- {name: e1, address: 10.0.0.1, parts: [etcd]}
- {name: e2, address: admin.e2, internalAddress: 10.0.0.2, parts: [etcd]}
- {name: c1, address: 10.0.0.3, parts: [control-plane]}
---
apiVersion: kubeadm.k8s.io/v1beta4
kind: ClusterConfiguration
kubernetesVersion: v1.36.2
encryptionAlgorithm: ECDSA-P256
etcd: {local: {imageTag: 3.6.6-0, extraArgs: [{name: quota-backend-bytes, value: "8589934592"}]}}
"""


def member_facts(name, **more):
    return ready(name, etcd=True, has_state=True, **more)


@pytest.fixture
def described(tmp_path, monkeypatch):
    monkeypatch.setattr(etcd_hosts, "_verify", lambda _run: None)
    path = tmp_path / "cluster.yaml"
    path.write_text(FILE)
    return describe(str(path), (), lambda _note: None)


def machine(name):
    made = FakeNode(name, units={"kubelet.service": UnitState("loaded", "inactive", "dead", "disabled")})
    made.put("/proc/sys/kernel/hostname", name)
    return made


def begin(described, made, others=()):
    which = next(each for each in described.cluster.hosts if each.name == made.name)
    emit = of_host(made.name, "etcd", lambda _event: None)
    make_member(described, which, made, emit, others)
    return emit


def test_etcd_begins_before_the_first_control_plane():
    plan = plan_of(fleet(*HOSTS), bare("e1"), bare("e2"), bare("c1"), bare("w1"))
    assert said(plan) == [*(f"prepare {name}" for name in ("e1", "e2", "c1", "w1")), "etcd e1", "etcd e2", "init c1", "join w1"]


@pytest.mark.parametrize("limit", [(), ("e1", "c1", "w1")])
def test_nothing_begins_while_a_host_of_etcd_cannot_be_asked(limit):
    plan = plan_of(fleet(*HOSTS), ready("e1"), unreachable("e2"), ready("c1"), ready("w1"), limit=limit)
    assert said(plan) == []
    assert ("", "e2 could not be asked, and etcd begins with all of its hosts: nothing is begun") in plan.problems


def test_of_a_cluster_that_is_there_only_the_member_that_is_not_healthy_is_gone_through_again():
    machines = (member_facts("e1"), member_facts("e2", etcd_ailment="it sees no leader"), control_plane("c1"))
    plan = plan_of(fleet(*HOSTS[:3]), *machines, found=cluster("c1", node("c1")))
    assert said(plan) == ["etcd e2"]
    assert plan.actions[0].reasons == ("its member of etcd is not healthy: it sees no leader",)


E3 = host("e3", "etcd")
AILING = member_facts("e3", etcd_ailment="it sees no leader")


@pytest.mark.parametrize("answers", [False, True])
def test_no_second_etcd_begins_beside_data_that_are_there(answers):
    machines = (ready("e1"), ready("e2"), AILING, control_plane("c1"))
    found = cluster("c1", node("c1")) if answers else None
    plan = plan_of(fleet(*HOSTS[:3], E3), *machines, found=found)
    assert said(plan) == []
    assert "e1, e2 would begin a second etcd, without the cluster's data" in plan.problems[0][1]
    assert "bring the others back, or restore a snapshot on one of them by hand, with etcdutl" in plan.problems[0][1]


def test_no_member_begins_by_itself_while_the_others_of_a_cluster_cannot_be_asked():
    machines = (ready("e1"), unreachable("e2"), unreachable("e3"), control_plane("c1"))
    plan = plan_of(fleet(*HOSTS[:3], E3), *machines, found=cluster("c1", node("c1")))
    assert said(plan) == []
    assert any("e1 would begin a second etcd" in sentence for _host, sentence in plan.problems)


def test_a_control_plane_that_cannot_be_asked_may_have_a_cluster():
    plan = plan_of(fleet(*HOSTS[:3], E3), ready("e1"), ready("e2"), AILING, unreachable("c1"))
    assert not plan.of("etcd", "init")
    assert any("c1 could not be asked whether there is a cluster" in sentence for _host, sentence in plan.problems)


def test_a_first_apply_that_was_cut_off_goes_on():
    given_a_ca = ready("c1", has_state=True, ca="a CA of the user's")
    plan = plan_of(fleet(*HOSTS[:3], E3), ready("e1"), ready("e2"), AILING, given_a_ca)
    assert said(plan) == ["etcd e1", "etcd e2", "etcd e3", "init c1"]
    assert not plan.problems


def test_etcd_of_control_planes_does_not_move():
    stacked = cluster("c1", node("c1"))
    stacked = replace(stacked, stored={**stacked.stored, "etcd": {"local": {"dataDir": "/var/lib/etcd"}}})
    plan = plan_of(fleet(*HOSTS[:3]), bare("e1"), bare("e2"), control_plane("c1"), found=stacked)
    assert not plan.of("etcd")
    assert "the cluster's etcd is that of its control planes, and its data do not move" in plan.problems[0][1]


def test_a_host_of_etcd_that_is_marked_absent_leaves():
    hosts = (HOSTS[0], replace(HOSTS[1], state="absent"), HOSTS[2])
    machines = (member_facts("e1"), member_facts("e2"), control_plane("c1"))
    assert said(plan_of(fleet(*hosts), *machines, found=cluster("c1", node("c1")))) == ["remove e2"]


@pytest.mark.parametrize("answers", [False, True])
def test_a_host_of_etcd_that_is_gone_is_forgotten_and_it_is_said_where_nobody_knows(answers):
    hosts = fleet(HOSTS[0], replace(HOSTS[1], state="absent"), HOSTS[2])
    found = cluster("c1", node("c1")) if answers else None
    machines = (unreachable("e2"), control_plane("c1"))
    plan = plan_of(hosts, member_facts("e1", etcd_members=("e1", "e2")), *machines, found=found)
    assert [action.host for action in plan.of("forget")] == ["e2"]
    assert not plan.notes
    after = plan_of(hosts, member_facts("e1", etcd_members=("e1",)), *machines, found=found)
    assert not after.of("forget")
    assert not after.notes
    unknown = plan_of(hosts, member_facts("e1", etcd_ailment="it is silent"), *machines, found=found)
    assert unknown.notes == (("e2", "e2 cannot be reached; no member of etcd could say whether it is one, too"),)


def test_those_that_are_healthy_are_joined_and_the_first_with_a_ca_keeps_it():
    described = Described(fleet(*HOSTS))
    fresh = Facts({"e1": ready("e1"), "e2": ready("e2")})
    assert (keeper(described, fresh).name, established(described, fresh)) == ("e1", [])
    replaced = Facts({"e1": ready("e1"), "e2": member_facts("e2")})
    assert keeper(described, replaced).name == "e2"
    assert established(described, replaced) == [HOSTS[1]]
    ailing = Facts({"e1": ready("e1"), "e2": member_facts("e2", etcd_ailment="it sees no leader")})
    assert established(described, ailing) == []


def test_the_ca_is_that_of_a_healthy_member_and_no_second_one_is_made():
    described = Described(fleet(*HOSTS[:3], E3))
    reinstalled = Facts({"e1": member_facts("e1", etcd_ailment="it sees no leader", etcd_ca=True), "e2": member_facts("e2")})
    assert keeper(described, reinstalled).name == "e2"
    killed = Facts({"e1": ready("e1"), "e2": ready("e2", etcd_ca=True), "e3": ready("e3")})
    assert keeper(described, killed).name == "e2"
    assert against_authority(described, killed, HOSTS[1]) == ""
    assert "e2 has a member or a CA" in against_authority(described, killed, HOSTS[0])
    unseen = Facts({"e1": ready("e1"), "e2": unreachable("e2")})
    assert "e2, e3 could not be asked for etcd's CA" in against_authority(described, unseen, HOSTS[0])


def test_a_limit_does_not_make_a_member_begin_without_those_beyond_it():
    plan = plan_of(fleet(*HOSTS[:3]), ready("e1"), ready("e2"), limit=("e1",))
    assert said(plan) == []
    assert ("", "e2 is not in --limit, and etcd begins with all of its hosts: nothing is begun") in plan.problems
    joining = plan_of(fleet(*HOSTS[:3]), ready("e1"), member_facts("e2"), limit=("e1",), found=cluster("c1", node("c1")))
    assert said(joining) == ["etcd e1"]


def test_for_control_planes_the_members_are_external_ones(described):
    external = described.configuration.cluster.etcd.external
    assert external.endpoints == ("https://10.0.0.1:2379", "https://10.0.0.2:2379")
    assert external.key_file == f"{PKI}/apiserver-etcd-client.key"
    assert described.fleet.members.image_tag == "3.6.6-0"


def test_a_member_begins_with_all_of_the_file_under_a_kubelet_of_no_cluster(described):
    first = machine("e1")
    make_authority(described, described.cluster.hosts[0], first, of_host("e1", "etcd", lambda _event: None))
    begin(described, first)
    command = yaml.safe_load(first.read("/etc/kubernetes/manifests/etcd.yaml"))["spec"]["containers"][0]["command"]
    assert "--initial-cluster=e1=https://10.0.0.1:2380,e2=https://10.0.0.2:2380" in command
    assert "--quota-backend-bytes=8589934592" in command
    assert first.read("/var/lib/kubelet/kubeadm-flags.env") == b'KUBELET_KUBEADM_ARGS="--bootstrap-kubeconfig= --kubeconfig="\n'
    kubelet = yaml.safe_load(first.read("/var/lib/kubelet/config.yaml"))
    assert kubelet["authorization"] == {"mode": "AlwaysAllow"}
    assert kubelet["address"] == "127.0.0.1"
    assert first.unit("kubelet").active == "active"
    assert begin(described, first).changes == 0


def test_what_a_member_says_of_itself_is_found(described, monkeypatch):
    class Client:
        def status(self, _endpoint):
            return Status(1, "3.5.21", 1, learner=False)

        def members(self):
            return (Member(1, "e1", (), ()), Member(2, "e2", (), ()))

    monkeypatch.setattr(etcd_hosts, "_client", lambda *_: Client())
    made = FakeNode("e1", commands={"kubelet --version": completed("Kubernetes v1.35.6\n")})
    made.put("/etc/kubernetes/manifests/etcd.yaml", "kind: Pod")
    found = look_at_member(described, described.cluster.hosts[0], made, NodeFacts("e1"))
    assert (found.etcd, found.etcd_ailment, found.etcd_members) == (True, "", ("e1", "e2"))
    assert (found.etcd_version, found.kubelet) == ("3.5.21", "v1.35.6")


def test_other_hosts_get_the_ca_and_control_planes_its_client_alone(described):
    first, second, control = machine("e1"), machine("e2"), machine("c1")
    make_authority(described, described.cluster.hosts[0], first, of_host("e1", "etcd", lambda _event: None))
    keep(second, authority_of(described, first))
    for each in (first, second):
        begin(described, each)
    assert [file.path.rpartition(".")[2] for file in client_of(described, first)] == ["crt", "key", "crt"], "its key comes first"
    keep(control, client_of(described, first))
    [ca] = load_certificates(second.read(f"{PKI}/etcd/ca.crt"))
    for path in (f"{PKI}/etcd/server.crt", f"{PKI}/etcd/peer.crt"):
        load_certificates(second.read(path))[0].verify_directly_issued_by(ca)
    load_certificates(control.read(f"{PKI}/apiserver-etcd-client.crt"))[0].verify_directly_issued_by(ca)
    assert control.read(f"{PKI}/etcd/ca.key") is None
    assert control.stat(f"{PKI}/apiserver-etcd-client.key").mode == 0o600
    with pytest.raises(PhaseError, match=r"there is no /etc/kubernetes/pki/etcd/ca\.crt on c9"):
        authority_of(described, machine("c9"))
