"""What is found on machines and in the cluster, from their files."""

from __future__ import annotations

import json
import threading
from contextlib import contextmanager
from dataclasses import replace

import pytest

from pykubeadm.config.model import Arg, NodeRegistration, ThisNode
from pykubeadm.fleet import look as looking
from pykubeadm.fleet.cluster import node_object
from pykubeadm.fleet.file import Described
from pykubeadm.fleet.look import look, look_at_node
from pykubeadm.fleet.machines import Machines
from pykubeadm.node.port import UnitState
from pykubeadm.node.ssh_login import HungUpError, LoginError, UnreachableError
from tests.support.fleets import cluster, fleet, host, node
from tests.support.init_runs import certified
from tests.support.node import FakeNode, completed

ADDRESS = json.dumps([{"ifname": "eth0", "addr_info": [{"local": "10.0.0.7"}]}])
ROUTE = "Iface Destination Gateway Flags RefCnt Use Metric Mask\neth0 00000000 0100000A 0003 0 0 0 00000000\n"


def machine(name: str) -> FakeNode:
    node = FakeNode(name, commands={"ip -j addr": completed(ADDRESS)})
    node.put("/proc/sys/kernel/hostname", name)
    node.put("/proc/net/route", ROUTE)
    return node


def with_swap(name: str) -> FakeNode:
    """One with a runtime and a kubelet."""
    node = machine(name)
    node.put("/usr/bin/kubelet")
    node.put("/usr/lib/systemd/system/kubelet.service")
    node.sockets.add("/run/containerd/containerd.sock")
    node.put("/proc/swaps", "Filename Type Size Used Priority\n/swap.img file 4194300 0 -2\n")
    return node


def described(*hosts) -> Described:
    base = fleet(*hosts)
    this_node = ThisNode(NodeRegistration(cri_socket="unix:///run/containerd/containerd.sock"))
    configuration = type(base.configuration)(base.configuration.cluster, this_node)
    return Described(type(base)(base.cluster, configuration, names_version=True))


def journal(command: str, outcome: str, phase: str = "certs/ca") -> str:
    run = {"command": command, "phase": phase, "outcome": outcome}
    return json.dumps({"schema": "pykubeadm.journal/v1", "runs": [run]})


def test_a_bare_machine():
    facts = look_at_node(described(host("w1")), host("w1"), machine("w1"))
    assert facts.address == "10.0.0.7"
    assert {"runtime", "kubelet"} <= set(facts.missing)
    assert not facts.has_state
    assert not facts.unfinished


def test_a_worker_that_has_joined():
    node = machine("w1")
    node.put("/etc/kubernetes/kubelet.conf", "x")
    node.put("/var/lib/pykubeadm/journal.json", journal("join", "changed"))
    node.put("/var/lib/pykubeadm/prepared.json", '{"node": "n1"}')
    node.put("/var/lib/pykubeadm/network.json", '{"network": "w1"}')
    facts = look_at_node(described(host("w1")), host("w1"), node)
    assert facts.joined
    assert facts.has_state
    assert not facts.control_plane
    assert not facts.unfinished
    assert facts.prepared == {"node": "n1", "network": "w1"}


@pytest.mark.parametrize(
    ("of_host", "of_all"),
    [
        ({"kubelet_extra_args": (Arg(name="fail-swap-on", value="false"),)}, ()),
        ({"ignore_preflight_errors": ("Swap",)}, ()),
        ({}, ("Swap",)),
    ],
)
def test_swap_that_the_file_accepts_is_nothing_that_is_missing(of_host, of_all):
    node, wanted = with_swap("w1"), host("w1", **of_host)
    base = described(wanted)
    base = replace(base, fleet=replace(base.fleet, cluster=replace(base.cluster, ignore_preflight_errors=of_all)))
    assert look_at_node(base, wanted, node).missing == {}
    assert look_at_node(described(host("w1")), host("w1"), node).missing == {"cgroups": "swap is on"}


@pytest.mark.parametrize(
    ("path", "content"),
    [
        ("/var/lib/kubelet/config.yaml", "kind: KubeletConfiguration\nfailSwapOn: false\n"),
        ("/var/lib/kubelet/kubeadm-flags.env", 'KUBELET_KUBEADM_ARGS="--fail-swap-on=false"\n'),
    ],
)
def test_swap_that_a_kubelet_of_the_cluster_runs_with_stays_on(path, content):
    node = with_swap("w1")
    node.put(path, content)
    assert look_at_node(described(host("w1")), host("w1"), node).missing == {"cgroups": "swap is on"}
    node.put("/etc/kubernetes/kubelet.conf", "x")
    assert look_at_node(described(host("w1")), host("w1"), node).missing == {}


@pytest.mark.parametrize("place", ["/etc/kubernetes/pki", "/of/the/file", "/of/the/manifest"])
def test_the_cluster_s_ca_is_found_wherever_it_is(place):
    base = described(host("c1", "control-plane"))
    cluster_ = replace(base.configuration.cluster, certificates_dir="/of/the/file")
    base = replace(base, fleet=replace(base.fleet, configuration=replace(base.configuration, cluster=cluster_)))
    node = machine("c1")
    node.put(f"{place}/ca.crt", certified().text("/etc/kubernetes/pki/ca.crt"))
    if place == "/of/the/manifest":
        command = f"[kube-apiserver, --client-ca-file={place}/ca.crt]"
        node.put("/etc/kubernetes/manifests/kube-apiserver.yaml", f"spec: {{containers: [{{command: {command}}}]}}")
    assert len(look_at_node(base, host("c1", "control-plane"), node).ca) == 16


@pytest.mark.parametrize(("command", "outcome"), [("init", "running"), ("join", "failed")])
def test_a_run_that_was_cut_off_is_seen(command, outcome):
    node = machine("c1")
    node.put("/etc/kubernetes/admin.conf", "x")
    node.put("/var/lib/pykubeadm/journal.json", journal(command, outcome))
    facts = look_at_node(described(host("c1", "control-plane")), host("c1", "control-plane"), node)
    assert facts.unfinished == command
    assert facts.has_state


@pytest.mark.parametrize(
    ("command", "outcome", "phase"),
    [
        ("init phase upload-certs", "changed", "upload-certs"),
        ("init phase certs ca", "failed", "ca"),
        ("init", "failed", "preflight"),
    ],
)
def test_a_phase_by_itself_or_a_refusal_is_no_init_that_was_cut_off(command, outcome, phase):
    node = machine("c1")
    node.put("/etc/kubernetes/manifests/kube-apiserver.yaml", "kind: Pod")
    node.put("/var/lib/pykubeadm/journal.json", journal(command, outcome, phase))
    assert not look_at_node(described(host("c1", "control-plane")), host("c1", "control-plane"), node).unfinished


@pytest.mark.parametrize("command", ["upgrade apply", "upgrade node", "reconfigure"])
@pytest.mark.parametrize(("before", "seen"), [("changed", False), ("running", True)])
def test_one_that_was_refused_changed_nothing_and_hides_nothing(command, before, seen):
    runs = [
        {"command": command, "phase": "control-plane", "outcome": before},
        {"command": command, "phase": "preflight", "outcome": "failed"},
    ]
    node = machine("c1")
    node.put("/var/lib/pykubeadm/journal.json", json.dumps({"schema": "pykubeadm.journal/v1", "runs": runs}))
    facts = look_at_node(described(host("c1", "control-plane")), host("c1", "control-plane"), node)
    assert bool(facts.upgrading or facts.reconfiguring) is seen


@pytest.mark.parametrize(
    ("command", "outcome", "expected"),
    [
        ("upgrade apply", "running", ("apply", False)),
        ("upgrade node", "failed", ("node", False)),
        ("upgrade apply phase kubelet all", "running", ("apply", False)),
        ("upgrade apply", "changed", ("", False)),
        ("upgrade node", "unchanged", ("", False)),
        ("reconfigure", "running", ("", True)),
        ("reconfigure", "changed", ("", False)),
    ],
)
def test_an_upgrade_or_reconfiguration_that_was_cut_off_is_seen_and_what_the_api_server_is(command, outcome, expected):
    node = machine("c1")
    node.put(
        "/etc/kubernetes/manifests/kube-apiserver.yaml", "spec:\n  containers:\n  - image: r.io:5000/a/kube-apiserver:v1.35.6\n"
    )
    node.put("/var/lib/pykubeadm/journal.json", journal(command, outcome))
    facts = look_at_node(described(host("c1", "control-plane")), host("c1", "control-plane"), node)
    assert ((facts.upgrading, facts.reconfiguring), facts.unfinished) == (expected, "")
    assert (facts.control_plane, facts.api_server) == (True, "v1.35.6")


@pytest.mark.parametrize("content", ["", "{", "[]", "null"])
def test_damaged_stamps_say_nothing(content):
    node = machine("w1")
    node.put("/var/lib/pykubeadm/prepared.json", content)
    assert look_at_node(described(host("w1")), host("w1"), node).prepared == {}


def test_a_load_balancer_whose_units_do_not_run_is_seen():
    node = machine("lb")
    node.units["haproxy.service"] = UnitState("loaded", "failed", "failed", "enabled")
    facts = look_at_node(described(host("c1", "control-plane"), host("lb", "load-balancer")), host("lb", "load-balancer"), node)
    assert facts.idle_units == ("haproxy.service",)


def test_a_load_balancer_that_is_marked_absent_and_runs_is_seen():
    node, balancer = machine("lb"), host("lb", "load-balancer", state="absent")
    node.units["keepalived.service"] = UnitState("loaded", "active", "running", "enabled")
    facts = look_at_node(described(host("c1", "control-plane"), balancer), balancer, node)
    assert (facts.balancing, facts.idle_units) == (("keepalived.service",), ())


def test_machines_that_cannot_be_reached_are_named_and_the_others_looked_at():
    hosts = (host("c1", "control-plane"), host("w1"), host("w2"), host("w3"))

    @contextmanager
    def connect(which):
        if which.name == "w1":
            raise UnreachableError("w1 cannot be reached at 10.0.0.2: connection refused")
        if which.name == "w2":
            raise LoginError("w2: sshd does not let root in")
        if which.name == "w3":
            raise HungUpError("w3: the server ended the connection")
        yield machine(which.name)

    told = []
    with Machines(connect) as machines:
        facts = look(described(*hosts), machines, hosts, lambda name, error: told.append((name, error)))
    assert facts.nodes["w1"].error == "w1 cannot be reached at 10.0.0.2: connection refused"
    assert [facts.nodes[name].gone for name in ("w1", "w2", "w3")] == [True, False, False]
    assert facts.nodes["c1"].reachable
    assert facts.cluster is None
    assert ("c1", "") in told


def test_a_machine_that_does_not_say_all_in_time_is_named_and_not_taken_for_gone():
    hosts, over = (host("c1", "control-plane"), host("w1")), threading.Event()

    @contextmanager
    def connect(which):
        if which.name == "w1":
            over.wait(20)
        yield machine(which.name)

    with Machines(connect, left=lambda: 1.0) as machines:
        facts = look(described(*hosts), machines, hosts)
        over.set()
    assert facts.nodes["w1"].error == "w1: it was not done when --timeout ended the run"
    assert not facts.nodes["w1"].gone
    assert facts.nodes["c1"].reachable


def test_the_first_control_plane_that_answers_is_the_seed_and_those_that_leave_come_last(monkeypatch):
    hosts = (
        host("c1", "control-plane", state="absent"),
        host("c2", "control-plane"),
        host("c3", "control-plane"),
    )

    @contextmanager
    def connect(which):
        node = machine(which.name)
        node.put("/etc/kubernetes/manifests/kube-apiserver.yaml", "x")
        node.put("/var/lib/pykubeadm/network.json", json.dumps({"network": f"of {which.name}"}))
        yield node

    asked = []
    monkeypatch.setattr(looking, "api_of", lambda node: asked.append(node.name) or node.name)
    monkeypatch.setattr(looking, "answers", lambda api: "" if api != "c2" else "it is down")
    monkeypatch.setattr(looking, "look_at_cluster", lambda seed, _node, _api: cluster(seed))
    with Machines(connect) as machines:
        facts = look(described(*hosts), machines, hosts)
    assert (facts.cluster.seed, facts.cluster.network) == ("c3", "of c3")
    assert facts.nobody == "no control plane's API server answers (c2: it is down)"
    assert asked == ["c2", "c3"]


@pytest.mark.parametrize(("image", "version"), [("r/kube-apiserver:v1.35.6", "v1.35.6"), ("r/mine:latest", "v1.36.1")])
def test_the_version_of_a_cluster_that_does_not_say_it_is_its_api_server_s_else_its_kubelet_s(monkeypatch, image, version):
    seed = host("c1", "control-plane")

    @contextmanager
    def connect(which):
        control_plane = machine(which.name)
        control_plane.put("/etc/kubernetes/manifests/kube-apiserver.yaml", f"spec: {{containers: [{{image: {image}}}]}}")
        yield control_plane

    monkeypatch.setattr(looking, "api_of", lambda node: node.name)
    monkeypatch.setattr(looking, "answers", lambda _api: "")
    monkeypatch.setattr(looking, "look_at_cluster", lambda *_: cluster("c1", node("c1", version="v1.36.1"), version=""))
    with Machines(connect) as machines:
        facts = look(described(seed), machines, [seed])
    assert facts.cluster.version == version


@pytest.mark.parametrize("answers", [False, True])
def test_control_planes_beyond_the_limit_are_looked_at_where_no_cluster_answers(monkeypatch, answers):
    hosts = (host("c1", "control-plane"), host("c2", "control-plane"), host("w1"), host("w2"))

    @contextmanager
    def connect(which):
        yield machine(which.name)

    monkeypatch.setattr(looking, "_cluster", lambda *_: cluster("c1") if answers else None)
    with Machines(connect) as machines:
        facts = look(described(*hosts), machines, [hosts[0], hosts[2]])
    assert set(facts.nodes) == ({"c1", "w1"} if answers else {"c1", "c2", "w1"})


@pytest.mark.parametrize(("limit", "seen"), [("e1", {"e1", "e2"}), ("w1", {"w1", "c1"})])
def test_of_hosts_of_etcd_all_are_looked_at_where_one_is(limit, seen):
    hosts = (host("e1", "etcd", state="absent"), host("e2", "etcd"), host("c1", "control-plane"), host("w1"))

    @contextmanager
    def connect(which):
        node = machine(which.name)
        if which.name == "e2":
            node.put("/etc/kubernetes/manifests/etcd.yaml", "kind: Pod")
            node.put("/etc/kubernetes/pki/etcd/ca.key", "x")
        yield node

    with Machines(connect) as machines:
        facts = look(described(*hosts), machines, [each for each in hosts if each.name == limit])
    assert set(facts.nodes) == seen
    if "e2" in seen:
        assert (facts.nodes["e2"].etcd, facts.nodes["e2"].etcd_ca, facts.nodes["e1"].etcd_ca) == (True, True, False)


def test_what_matters_of_a_node():
    document = {
        "metadata": {"name": "w1", "labels": {"a": "b"}},
        "spec": {"podCIDRs": ["10.244.1.0/24"], "unschedulable": True},
        "status": {
            "addresses": [{"type": "Hostname", "address": "w1"}, {"type": "InternalIP", "address": "10.0.0.7"}],
            "nodeInfo": {"kubeletVersion": "v1.36.2"},
            "conditions": [{"type": "Ready", "status": "False", "message": "no network plugin"}],
        },
    }
    found = node_object(document)
    assert (found.ready, found.reason, found.version, found.address) == (False, "no network plugin", "v1.36.2", "10.0.0.7")
    assert found.pod_cidrs == ("10.244.1.0/24",)
    assert found.unschedulable
    assert not node_object({"metadata": {"name": "new"}}).ready
