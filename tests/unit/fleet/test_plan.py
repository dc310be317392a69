"""What a plan has in it, by what is found on the machines and in the cluster."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pykubeadm.config.defaults import CONTROL_PLANE_TAINT
from pykubeadm.config.fleet import HttpProxy, Mirror
from pykubeadm.config.model import Taint
from pykubeadm.fleet.facts import NodeFacts
from pykubeadm.fleet.plan import STAGES, lines
from tests.support.fleets import (
    DIGESTS,
    bare,
    cluster,
    control_plane,
    fleet,
    host,
    member,
    node,
    plan_of,
    ready,
    said,
    unreachable,
    worker,
)

ONE_AND_ONE = fleet(host("c1", "control-plane"), host("w1"))


def test_bare_machines_are_prepared_then_the_first_control_plane_begins_and_the_others_join():
    described = fleet(host("c1", "control-plane"), host("c2", "control-plane"), host("w1"))
    plan = plan_of(described, bare("c1"), bare("c2"), bare("w1"))
    assert said(plan) == ["prepare c1", "prepare c2", "prepare w1", "init c1", "join c2", "join w1"]
    assert [action.part for action in plan.of("join")] == ["control-plane", "worker"]


def test_a_cluster_that_is_as_the_file_says_needs_nothing():
    plan = plan_of(ONE_AND_ONE, control_plane("c1"), worker("w1"), found=cluster("c1", node("c1"), node("w1")))
    assert plan.empty
    assert not plan.problems
    assert not plan.notes
    assert not plan.drift


def test_a_machine_that_was_prepared_by_other_means_is_not_prepared():
    assert said(plan_of(ONE_AND_ONE, ready("c1", prepared={}), ready("w1", prepared={}))) == ["init c1", "join w1"]


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"registry_mirrors": (Mirror(registry="docker.io"),)}, "without registryMirrors of the file"),
        ({"proxy": HttpProxy(http="http://p")}, "without proxy of the file"),
        ({}, ""),
    ],
)
def test_that_a_runtime_of_another_s_is_left_without_the_file_s_settings_is_said_before_it_joins(settings, words):
    described = replace(ONE_AND_ONE, cluster=replace(ONE_AND_ONE.cluster, **settings))
    nodes = (control_plane("c1", prepared={}), ready("w1", prepared={}, missing={"kubelet": "there is no kubelet"}))
    notes = plan_of(described, *nodes, found=cluster("c1", node("c1"))).notes
    assert [name for name, _sentence in notes] == (["w1"] if words else [])
    assert all(words in sentence for _name, sentence in notes)
    assert not plan_of(described, control_plane("c1"), ready("w1"), found=cluster("c1", node("c1"))).notes
    assert not plan_of(described, control_plane("c1"), bare("w1"), found=cluster("c1", node("c1"))).notes


def test_other_variables_prepare_again():
    changed = control_plane("c1", prepared={"node": "before"})
    plan = plan_of(ONE_AND_ONE, changed, worker("w1"), found=cluster("c1", node("c1"), node("w1")))
    assert said(plan) == ["prepare c1"]
    assert plan.actions[0].reasons == ("its variables have changed since it was prepared",)


def test_a_new_host_joins_and_nobody_else_is_touched():
    described = fleet(host("c1", "control-plane"), host("w1"), host("w2"))
    plan = plan_of(described, control_plane("c1"), worker("w1"), bare("w2"), found=cluster("c1", node("c1"), node("w1")))
    assert said(plan) == ["prepare w2", "join w2"]


def test_a_join_that_was_cut_off_goes_on():
    cut_off = worker("w1", unfinished="join")
    plan = plan_of(ONE_AND_ONE, control_plane("c1"), cut_off, found=cluster("c1", node("c1"), node("w1")))
    assert said(plan) == ["join w1"]
    assert "cut off" in plan.actions[0].reasons[0]


@pytest.mark.parametrize("answers", [False, True])
def test_an_init_that_was_cut_off_goes_on_where_it_began(answers):
    described = fleet(host("c1", "control-plane"), host("c2", "control-plane"))
    begun = control_plane("c2", unfinished="init")
    plan = plan_of(described, ready("c1"), begun, found=cluster("c2", node("c2")) if answers else None)
    assert said(plan) == ["init c2", "join c1"]


def test_no_cluster_is_made_while_a_control_plane_cannot_be_asked():
    described = fleet(host("c1", "control-plane"), host("c2", "control-plane"), host("w1"))
    plan = plan_of(described, bare("c1"), unreachable("c2"), bare("w1"))
    assert not plan.of("init", "join")
    assert any("c2 could not be asked" in sentence for _host, sentence in plan.problems)


@pytest.mark.parametrize("more", [{"joined": False}, {"control_plane": True}])
def test_a_join_that_was_cut_off_does_not_begin_another_cluster(more):
    described = fleet(host("c1", "control-plane"), host("c2", "control-plane"))
    half = worker("c2", unfinished="join", **more)
    plan = plan_of(described, unreachable("c1"), half)
    assert not plan.of("init", "join")
    assert any("c1 could not be asked, so none is made" in sentence for _host, sentence in plan.problems)
    assert said(plan_of(described, control_plane("c1"), half)) == ["init c1", "join c2"]
    assert said(plan_of(described, ready("c1"), half)) == ["init c1", "join c2"]


def test_a_cluster_begins_where_the_user_put_its_ca():
    described = fleet(host("c1", "control-plane"), host("c2", "control-plane"))
    assert said(plan_of(described, ready("c1"), ready("c2", has_state=True))) == ["init c2", "join c1"]


def test_who_has_joined_does_not_join_again_while_the_api_server_is_down():
    described = fleet(host("c1", "control-plane"), host("w1"), host("w2"))
    plan = plan_of(described, control_plane("c1"), worker("w1"), ready("w2"))
    assert said(plan) == ["init c1", "join w2"]
    assert not plan.problems


OTHERS = [ready("c1"), ready("c1", has_state=True, ca="the user's"), control_plane("c1", ca="the first's")]


@pytest.mark.parametrize("first", OTHERS)
def test_a_node_of_another_cluster_does_not_join_the_one_that_begins(first):
    plan = plan_of(ONE_AND_ONE, first, worker("w1"))
    assert said(plan) == ["init c1"]
    assert plan.problems == (("w1", "it is a part of another cluster than c1; mark it absent to take it out of that one first"),)


@pytest.mark.parametrize("limit", [("c1",), ("c1", "w1")])
def test_without_an_api_server_not_all_control_planes_leave_by_themselves(limit):
    described = fleet(*(host(name, *parts, state="absent") for name, parts in (("c1", ["control-plane"]), ("w1", ["worker"]))))
    plan = plan_of(described, control_plane("c1"), worker("w1"), limit=limit)
    assert plan.empty
    [(name, sentence)] = plan.problems
    assert name == ""
    assert "no control plane would be left" in sentence
    assert "`pykubeadm cluster reset` without --limit" in sentence


def test_who_has_left_is_in_nobody_s_way():
    described = fleet(host("c1", "control-plane"), host("w1", state="absent"))
    plan = plan_of(described, control_plane("c1"), ready("w1"), limit=("w1",))
    assert plan.empty
    assert not plan.problems


def test_without_an_api_server_none_leaves_and_nothing_is_said_of_making_a_cluster():
    described = fleet(host("c1", "control-plane"), host("w1", state="absent"))
    plan = plan_of(described, control_plane("c1"), worker("w1"), limit=("w1",), silence={"c1": "refused"})
    assert plan.empty
    sentence = "no control plane's API server answers (c1: refused), so w1 cannot leave the cluster: bring one back first"
    assert plan.problems == (("", sentence),)


@pytest.mark.parametrize(("limit", "expected"), [(("c1", "w1"), "c1"), (("c2", "w1"), "c2")])
def test_a_cluster_begins_on_a_control_plane_of_the_limit(limit, expected):
    described = fleet(host("c1", "control-plane"), host("c2", "control-plane"), host("w1"))
    plan = plan_of(described, ready("c1"), ready("c2"), ready("w1"), limit=limit)
    assert said(plan) == [f"init {expected}", "join w1"]


@pytest.mark.parametrize("facts", [control_plane("c1"), ready("c1", has_state=True), ready("c1")])
def test_a_cluster_that_begins_elsewhere_is_not_begun_twice(facts):
    described = fleet(host("c1", "control-plane"), host("c2", "control-plane"), host("w1"))
    plan = plan_of(described, facts, ready("c2"), ready("w1"), limit=("w1",) if facts == ready("c1") else ("c2", "w1"))
    assert not plan.of("init", "join")
    [(_name, sentence)] = plan.problems
    assert sentence.endswith("c1 is not in --limit")
    assert sentence.startswith("no control plane's API server answers" if facts.control_plane else "the cluster begins on c1")


def test_why_the_api_of_a_control_plane_cannot_be_asked_is_said():
    plan = plan_of(ONE_AND_ONE, control_plane("c1"), worker("w1"), silence={"c1": "could not get Namespace x: Unauthorized"})
    assert next(lines(plan)) == "c1: make it the first control plane (could not get Namespace x: Unauthorized)"
    own_ca = plan_of(ONE_AND_ONE, ready("c1", has_state=True, ca="the user's"), ready("w1"))
    assert own_ca.actions[0].reasons == ("there is no cluster yet",)


def test_an_unreachable_worker_holds_nobody_up():
    described = fleet(host("c1", "control-plane"), host("w1"), host("w2"))
    plan = plan_of(described, bare("c1"), unreachable("w1"), bare("w2"))
    assert said(plan) == ["prepare c1", "prepare w2", "init c1", "join w2"]
    assert plan.problems == (("w1", "w1 cannot be reached"),)


def test_a_host_marked_absent_leaves_before_others_join():
    described = fleet(
        host("c1", "control-plane"), host("c2", "control-plane", state="absent"), host("c3", "control-plane"), host("w1")
    )
    found = cluster("c1", node("c1"), node("c2"), node("w1"), members=(member(1, "c1"), member(2, "c2")))
    plan = plan_of(described, control_plane("c1"), control_plane("c2"), bare("c3"), worker("w1"), found=found)
    assert said(plan) == ["prepare c3", "remove c2", "join c3"]


def test_a_dead_host_marked_absent_is_forgotten_and_then_nothing_is_left_of_it():
    described = fleet(host("c1", "control-plane"), host("c2", "control-plane", state="absent"), host("w1"))
    nodes = (control_plane("c1"), unreachable("c2"), worker("w1"))
    found = cluster("c1", node("c1"), node("c2", ready=False), node("w1"), members=(member(1, "c1"), member(2, "c2")))
    plan = plan_of(described, *nodes, found=found)
    assert said(plan) == ["forget c2"]
    assert not plan.problems
    after = plan_of(described, *nodes, found=cluster("c1", node("c1"), node("w1"), members=(member(1, "c1"),)))
    assert after.empty
    assert not after.problems
    assert not after.notes


@pytest.mark.parametrize("answers", [False, True])
def test_a_host_marked_absent_that_refuses_the_user_is_not_forgotten_while_it_may_run(answers):
    described = fleet(
        host("c1", "control-plane"), host("e1", "etcd"), host("e2", "etcd", state="absent"), host("w1", state="absent")
    )
    refusing = [NodeFacts(name, error=f"{name}: sshd does not let root in") for name in ("e2", "w1")]
    found = cluster("c1", node("c1"), node("w1")) if answers else None
    healthy = ready("e1", etcd=True, has_state=True, etcd_members=("e1", "e2"))
    plan = plan_of(described, control_plane("c1"), healthy, *refusing, found=found)
    assert not plan.of("forget", "remove")
    said_of = dict(plan.problems)
    assert "does not let root in; it is marked absent, and the cluster forgets only a machine that" in said_of["e2"]
    assert ("w1" in said_of) == answers


def test_a_host_of_another_cluster_is_refused():
    plan = plan_of(ONE_AND_ONE, control_plane("c1"), worker("w1", ca="another"), found=cluster("c1", node("c1")))
    assert plan.empty
    assert "another cluster" in plan.problems[0][1]


def test_a_control_plane_that_is_to_be_a_worker_is_said():
    described = fleet(host("c1", "control-plane"), host("c2"))
    plan = plan_of(described, control_plane("c1"), control_plane("c2"), found=cluster("c1", node("c1"), node("c2")))
    assert plan.empty
    [(name, sentence)] = plan.problems
    assert name == "c2"
    assert sentence == "it is a control plane and is to be a worker; mark it absent first, then join it again"


def test_a_machine_that_was_replaced_takes_the_place_of_the_one_before():
    described = fleet(host("c1", "control-plane"), host("c2", "control-plane"))
    found = cluster("c1", node("c1"), node("c2", ready=False), members=(member(1, "c1"), member(2, "c2", ailment="silent")))
    plan = plan_of(described, control_plane("c1"), bare("c2"), found=found)
    assert said(plan) == ["prepare c2", "forget c2", "join c2"]


def test_a_member_of_etcd_without_a_node_is_removed():
    found = cluster("c1", node("c1"), node("w1"), members=(member(1, "c1"), member(7, "gone")))
    plan = plan_of(ONE_AND_ONE, control_plane("c1"), worker("w1"), found=found)
    assert said(plan) == ["forget gone"]


def test_labels_and_taints_that_are_otherwise_are_set_and_those_of_others_left():
    taint = Taint(key="dedicated", value="db", effect="NoSchedule")
    described = fleet(host("c1", "control-plane"), host("w1", labels={"disk": "ssd"}, taints=(taint,)))
    has = node("w1", labels={"disk": "hdd", "theirs": "x"}, taints=({"key": "node.kubernetes.io/x", "effect": "NoExecute"},))
    plan = plan_of(described, control_plane("c1"), worker("w1"), found=cluster("c1", node("c1"), has))
    [action] = plan.actions
    assert action.labels == {"disk": "ssd"}
    assert action.reasons == ("label disk is hdd", "there is no taint dedicated=db:NoSchedule")
    fixed = replace(has, labels={"disk": "ssd"}, taints=(*has.taints, taint.document()))
    assert plan_of(described, control_plane("c1"), worker("w1"), found=cluster("c1", node("c1"), fixed)).empty


def test_taints_of_programs_that_look_after_nodes_are_left():
    taint = Taint(key="dedicated", value="db", effect="NoSchedule")
    described = fleet(host("c1", "control-plane"), host("w1", taints=(taint,)))
    theirs = [
        {"key": key, "effect": "NoSchedule"}
        for key in ("node.cilium.io/agent-not-ready", "node.cloudprovider.kubernetes.io/uninitialized")
    ]
    found = cluster("c1", node("c1"), node("w1", taints=(*theirs, taint.document())))
    assert plan_of(described, control_plane("c1"), worker("w1"), found=found).empty


MASTERS = CONTROL_PLANE_TAINT.document()
OTHER = {"key": "example.com/other", "effect": "NoSchedule"}


@pytest.mark.parametrize(
    ("parts", "has"), [(("control-plane",), (OTHER,)), (("control-plane",), ()), (("control-plane", "worker"), (OTHER,))]
)
def test_a_control_plane_whose_taint_somebody_took_away_stays_without(parts, has):
    found = cluster("c1", node("c1", taints=has), node("w1"))
    assert plan_of(fleet(host("c1", *parts), host("w1")), control_plane("c1"), worker("w1"), found=found).empty


def test_a_control_plane_that_becomes_a_worker_too_loses_its_taint():
    found = cluster("c1", node("c1", taints=(MASTERS, OTHER)))
    [action] = plan_of(fleet(host("c1", "control-plane", "worker")), control_plane("c1"), found=found).actions
    assert (action.kind, action.taints) == ("label", (OTHER,))
    assert action.reasons == ("taint node-role.kubernetes.io/control-plane:NoSchedule is to go",)


def test_the_file_s_taints_are_all_that_a_node_has_and_the_plan_names_each():
    described = fleet(host("c1", "control-plane", taints=(Taint(key="dedicated", value="db", effect="NoSchedule"),)))
    [action] = plan_of(described, control_plane("c1"), found=cluster("c1", node("c1", taints=(OTHER,)))).actions
    assert action.reasons == ("there is no taint dedicated=db:NoSchedule", "taint example.com/other:NoSchedule is to go")


def test_what_is_not_applied_is_said():
    found = cluster("c1", node("c1"), node("w1", ready=False, reason="kubelet stopped"), node("other"))
    described = fleet(host("c1", "control-plane"), host("w1"), endpoint="elsewhere.example.com:6443")
    plan = plan_of(described, control_plane("c1"), worker("w1"), found=found)
    assert plan.empty
    said_of = dict.fromkeys(sentence for _host, sentence in plan.notes)
    assert any("kubelet stopped" in sentence for sentence in said_of)
    assert any("does not name: other" in sentence for sentence in said_of)
    [drift] = plan.drift
    assert "controlPlaneEndpoint" in drift.sentence
    assert plan.commands == (drift.command,) == ("pykubeadm cluster reconfigure",)


def test_a_load_balancer_is_made_and_repaired():
    described = fleet(host("c1", "control-plane"), host("lb", "load-balancer"))
    found = cluster("c1", node("c1"))
    assert said(plan_of(described, control_plane("c1"), NodeFacts("lb"), found=found)) == ["prepare lb"]
    balancing = NodeFacts("lb", prepared={"load-balancer": "b1"})
    assert plan_of(described, control_plane("c1"), balancing, found=found).empty
    stopped = replace(balancing, idle_units=("haproxy.service",))
    [action] = plan_of(described, control_plane("c1"), stopped, found=found).actions
    assert action.reasons == ("haproxy.service does not run",)
    assert "load_balancer" in action.tags


@pytest.mark.parametrize("parts", [("load-balancer",), ("control-plane", "load-balancer")])
def test_a_load_balancer_that_is_marked_absent_is_stopped(parts):
    described = fleet(host("c1", "control-plane"), host("c2", *parts, state="absent"))
    is_node = "control-plane" in parts
    machine = control_plane("c2") if is_node else NodeFacts("c2")
    found = cluster("c1", node("c1"), *([node("c2")] if is_node else []))
    plan = plan_of(described, control_plane("c1"), replace(machine, balancing=("haproxy.service",)), found=found)
    assert said(plan) == ["remove c2"]
    assert plan_of(described, control_plane("c1"), NodeFacts("c2"), found=cluster("c1", node("c1"))).empty


def test_a_bridge_is_applied_again_when_nodes_come():
    described = fleet(host("c1", "control-plane"), host("w1"), plugin="bridge")
    settled = cluster("c1", node("c1"), node("w1"))
    assert plan_of(described, control_plane("c1"), worker("w1"), found=settled).empty
    assert said(plan_of(described, control_plane("c1"), ready("w1"), found=cluster("c1", node("c1")))) == [
        "join w1",
        "network c1",
    ]


def test_a_network_of_pods_is_known_from_the_seed_whatever_the_limit():
    described = fleet(host("c1", "control-plane"), host("w1"), plugin="flannel")
    found = cluster("c1", node("c1"), node("w1"), network=DIGESTS["network"])
    unstamped = worker("w1", prepared={"node": "n1"})
    assert plan_of(described, unstamped, found=found, limit=("w1",)).empty
    other = replace(found, network="another")
    assert said(plan_of(described, unstamped, found=other, limit=("w1",))) == ["network c1"]


def test_the_last_control_plane_is_not_removed():
    described = fleet(host("c1", "control-plane", state="absent"), host("c2", "control-plane"))
    plan = plan_of(described, control_plane("c1"), bare("c2"), found=cluster("c1", node("c1")))
    assert not plan.of("remove")
    assert "no other control plane answers" in plan.problems[0][1]


def test_each_line_of_a_plan_says_why():
    plan = plan_of(ONE_AND_ONE, bare("c1"), ready("w1"))
    assert list(lines(plan)) == [
        "c1: prepare the machine (no container runtime)",
        "c1: make it the first control plane (there is no cluster yet)",
        "w1: join as a worker",
    ]


PARTS = st.sampled_from([("control-plane",), ("worker",), ("control-plane", "worker")])
MAKERS = st.sampled_from([bare, ready, worker, control_plane, unreachable, lambda name: worker(name, unfinished="join")])


@given(st.lists(st.tuples(PARTS, MAKERS, st.sampled_from(["present", "absent"])), min_size=1, max_size=6), st.booleans())
def test_any_plan_is_in_order_and_acts_on_hosts_that_answer(machines, answers):
    hosts = [host(f"n{at}", *parts, state=state) for at, (parts, _make, state) in enumerate(machines)]
    hosts.append(host("seed", "control-plane"))
    nodes = [make(f"n{at}") for at, (_parts, make, _state) in enumerate(machines)]
    nodes.append(control_plane("seed") if answers else bare("seed"))
    found = cluster("seed", node("seed"), *(node(each.name) for each in nodes if each.joined)) if answers else None
    plan = plan_of(fleet(*hosts), *nodes, found=found)
    stages = [next(at for at, kinds in enumerate(STAGES) if action.kind in kinds) for action in plan.actions]
    assert stages == sorted(stages)
    reachable = {each.name for each in nodes if each.reachable}
    assert {action.host for action in plan.actions if action.kind != "forget"} <= reachable
    assert len(plan.of("init")) <= 1
    assert not plan.of("join") or answers or plan.of("init")
    absent = {each.name for each in hosts if each.state == "absent"}
    assert not absent & {action.host for action in plan.of("prepare", "init", "join", "label")}
