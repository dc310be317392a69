"""How a plan is carried out: what waits for what, what a failure stops, and what is left when the run is over."""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager
from dataclasses import replace
from functools import partial

import pytest

from pykubeadm.ansible.results import TaskEnded
from pykubeadm.config.versions import NEWEST_KNOWN
from pykubeadm.errors import NodeError, PhaseError, PykubeadmError
from pykubeadm.fleet import admission, apply, preparing, ready
from pykubeadm.fleet.admission import opened
from pykubeadm.fleet.command import run_apply
from pykubeadm.fleet.facts import Facts, NodeFacts
from pykubeadm.fleet.options import Options
from pykubeadm.kube.port import ApiStatusError
from pykubeadm.node.port import UnitState
from pykubeadm.workflow.events import NodeProgress, Note, RunFinished
from tests.support.api import FakeApi
from tests.support.fleet_desk import Desk, raising
from tests.support.fleets import bare, cluster, control_plane, host, node, unreachable, worker
from tests.support.init_runs import certified


def test_all_are_prepared_the_first_begins_and_the_others_join(monkeypatch):
    hosts = [host("c1", "control-plane"), host("c2", "control-plane"), host("w1")]
    desk = Desk(monkeypatch, *hosts, facts=[bare("c1"), bare("c2"), bare("w1")])
    desk.apply()
    order = desk.done
    assert set(order) == {"prepare c1", "prepare c2", "prepare w1", "init c1", "join c2", "join w1"}
    assert order.index("prepare c1") < order.index("init c1") < min(order.index("join c2"), order.index("join w1"))
    assert "node" in desk.nodes["w1"].text("/var/lib/pykubeadm/prepared.json")
    assert not desk.nodes["w1"].stat("/var/lib/pykubeadm/preparing")
    assert isinstance(desk.events[-1], RunFinished)
    assert desk.events[-1].outcome == "changed"


@pytest.mark.parametrize(
    ("variables", "tag"), [({}, "containerd"), ({"prepare_runtime": "crio"}, "runtime"), ({"prepare_runtime": None}, "runtime")]
)
def test_the_role_of_a_runtime_that_no_machine_has_is_not_gone_through(monkeypatch, variables, tag):
    """`None` is a variable of an inventory that is known on the machine only."""
    facts = [replace(bare(name), missing={"runtime": "none", "cni": "none"}) for name in ("c1", "w1")]
    desk, tags = Desk(monkeypatch, host("c1", "control-plane"), host("w1", variables=variables), facts=facts), []
    play = desk.play

    def chosen(*arguments, **options):
        tags.append(options["tags"])
        assert desk.nodes["w1"].text("/var/lib/pykubeadm/preparing") == "cni\nruntime\n"
        return play(*arguments, **options)

    monkeypatch.setattr("pykubeadm.ansible.playbook.run_playbook", chosen)
    desk.apply()
    assert tags == [["cni", tag]]


def test_a_slow_machine_holds_nobody_up(monkeypatch):
    hosts = [host("c1", "control-plane"), host("w1"), host("w2")]
    desk = Desk(monkeypatch, *hosts, facts=[bare("c1"), bare("w1"), bare("w2")])
    joined = threading.Event()
    desk.does["prepare", "w1"] = lambda: joined.wait(10)
    desk.does["join", "w2"] = joined.set
    desk.apply()
    assert desk.done.index("join w2") < desk.done.index("prepare w1") < desk.done.index("join w1")


@pytest.mark.parametrize("path", ["preparing", "prepared.json"])
def test_a_machine_that_falls_silent_while_its_marks_are_written_holds_nobody_up(monkeypatch, path):
    hosts = [host("c1", "control-plane"), host("w1"), host("w2")]
    desk = Desk(monkeypatch, *hosts, facts=[bare("c1"), bare("w1"), bare("w2")])
    joined, late, write = threading.Event(), [], desk.nodes["w1"].write

    def silent(files):
        if any(file.path == f"/var/lib/pykubeadm/{path}" for file in files):
            late.append(not joined.wait(10))
            raise NodeError("w1: the connection was lost: nothing was heard for 45 s")
        return write(files)

    monkeypatch.setattr(preparing, "_PATIENCE", 0.1)
    monkeypatch.setattr(desk.nodes["w1"], "write", silent)
    desk.does["join", "w2"] = joined.set
    with pytest.raises(PykubeadmError, match=r"^w1: the connection was lost"):
        desk.apply()
    assert late == [False]
    assert desk.outcome("w2").outcome == "changed"
    assert "join w1" not in desk.done


def test_a_machine_without_a_result_is_not_said_to_have_failed_as_another_did(monkeypatch):
    hosts = [host("c1", "control-plane"), host("w1"), host("w10")]
    desk = Desk(monkeypatch, *hosts, facts=[bare("c1"), bare("w1"), bare("w10")])

    def play(_space, _playbook, report, **_more):
        report(TaskEnded("w10", "pykubeadm.kube.containerd", "Install it", "failed", "the disk is full"))
        raise NodeError("w10: role containerd: cannot install it: the disk is full")

    monkeypatch.setattr("pykubeadm.ansible.playbook.run_playbook", play)
    with pytest.raises(PykubeadmError) as failed:
        desk.apply()
    assert sorted(str(failed.value).splitlines()[:-1]) == [
        "c1: the roles ended without a result for this machine",
        "w10: role containerd: cannot install it: the disk is full",
        "w1: the roles ended without a result for this machine",
    ]


def test_a_machine_whose_mark_comes_late_is_prepared_beside_the_others(monkeypatch):
    hosts = [host("c1", "control-plane"), host("w1"), host("w2")]
    desk = Desk(monkeypatch, *hosts, facts=[bare("c1"), bare("w1"), bare("w2")])
    begun, write = threading.Event(), desk.nodes["w1"].write

    def slowly(files):
        if any(file.path.endswith("/preparing") for file in files):
            assert begun.wait(10)
        return write(files)

    monkeypatch.setattr(preparing, "_PATIENCE", 0.1)
    monkeypatch.setattr(desk.nodes["w1"], "write", slowly)
    prepared = threading.Event()
    desk.does["prepare", "w2"] = lambda: (begun.set(), prepared.wait(10))
    desk.does["prepare", "w1"] = prepared.set
    desk.apply()
    assert desk.done.index("prepare w1") < desk.done.index("prepare w2")
    assert {"join w1", "join w2"} <= set(desk.done)


def test_a_network_of_pods_is_applied_as_soon_as_there_is_a_cluster(monkeypatch):
    hosts = [host("c1", "control-plane"), host("w1"), host("w2")]
    desk = Desk(monkeypatch, *hosts, facts=[bare("c1"), bare("w1"), bare("w2")], plugin="flannel")
    applied = threading.Event()
    desk.does["network", "c1"] = applied.set
    desk.does["join", "w1"] = lambda: applied.wait(10)
    desk.does["join", "w2"] = raising(NodeError("the kubelet does not start"))
    with pytest.raises(PykubeadmError):
        desk.apply()
    assert desk.done.index("init c1") < desk.done.index("network c1") < desk.done.index("join w1")
    assert desk.outcome("c1").outcome == "changed"
    assert "network" in desk.nodes["c1"].text("/var/lib/pykubeadm/network.json")


def test_the_wait_for_nodes_connects_to_the_cluster_once(monkeypatch):
    desk, connected = Desk(monkeypatch, host("c1", "control-plane"), facts=[bare("c1")], plugin="flannel"), []
    monkeypatch.setattr(ready, "api_of", lambda node: connected.append(node.name) or desk.api)
    with pytest.raises(PykubeadmError, match="c1 is not ready"):
        desk.apply()
    assert connected == ["c1"]


def test_a_network_that_cannot_be_applied_is_its_control_planes_failure(monkeypatch):
    desk = Desk(monkeypatch, host("c1", "control-plane"), host("w1"), facts=[bare("c1"), bare("w1")], plugin="flannel")
    desk.does["network", "c1"] = raising(NodeError("c1: role cni: cannot apply it to the cluster: no"))
    with pytest.raises(PykubeadmError, match=r"c1: role cni: cannot apply it to the cluster: no"):
        desk.apply()
    assert {"init c1", "join w1"} <= set(desk.done)
    assert desk.outcome("w1").outcome == "changed"


def test_no_network_is_applied_where_no_cluster_begins(monkeypatch):
    desk = Desk(monkeypatch, host("c1", "control-plane"), host("w1"), facts=[bare("c1"), bare("w1")], plugin="flannel")
    desk.does["init", "c1"] = raising(PhaseError("no API server"))
    with pytest.raises(PykubeadmError, match="no API server"):
        desk.apply()
    assert not [what for what in desk.done if what.startswith("network")]


def test_what_the_roles_warn_of_is_said_of_its_machine(monkeypatch):
    desk = Desk(monkeypatch, host("c1", "control-plane"), facts=[bare("c1")])
    clock = "Warning: the clock of c1 is not synchronised; enable systemd-timesyncd or chrony."
    desk.warnings = [TaskEnded("c1", "pykubeadm.kube.cgroups", "Warn of what it runs badly with", "ok", clock)]
    desk.apply()
    said = [event for event in desk.events if isinstance(event, Note) and event.level == "warning"]
    assert [(event.topic, event.message) for event in said] == [("c1", clock.removeprefix("Warning: "))]


@pytest.mark.filterwarnings("error::pytest.PytestUnhandledThreadExceptionWarning")
@pytest.mark.parametrize(
    ("step", "outcome"), [("prepare", "started"), ("prepare", "changed"), ("prepare", "failed"), ("network", "failed")]
)
def test_a_run_ends_whose_output_nobody_reads_any_more(monkeypatch, step, outcome):
    hosts = [host("c1", "control-plane"), host("w1"), host("w2")]
    desk = Desk(monkeypatch, *hosts, facts=[bare("c1"), bare("w1"), bare("w2")], plugin="flannel")
    desk.does["network", "c1"] = raising(NodeError("no"))
    desk.does["prepare", "w1"] = raising(NodeError("no"))
    broken, ended = threading.Event(), []

    def emit(event):
        if isinstance(event, NodeProgress) and (event.step, event.outcome) == (step, outcome):
            broken.set()
        if broken.is_set():
            raise BrokenPipeError

    def work():
        try:
            run_apply(desk.described, Options(), emit, connect=desk.connect)
        except BrokenPipeError as error:
            ended.append(error)

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    thread.join(20)
    assert ended


def test_a_machine_that_fails_does_not_stop_the_others_and_is_named(monkeypatch):
    hosts = [host("c1", "control-plane"), host("w1"), host("w2"), host("w3")]
    desk = Desk(monkeypatch, *hosts, facts=[bare("c1"), bare("w1"), bare("w2"), unreachable("w3")])
    desk.does["prepare", "w1"] = raising(NodeError("no space left on device"))
    with pytest.raises(PykubeadmError) as failed:
        desk.apply()
    assert "join w2" in desk.done
    sentences = str(failed.value).splitlines()
    assert sentences[0] == "w3 cannot be reached"
    assert any(line.startswith("w1: role containerd: cannot install it: no space left") for line in sentences)
    assert failed.value.exit_status == NodeError.exit_status
    assert desk.outcome("w2").outcome == "changed"
    assert desk.outcome("w1").outcome == "failed"


def test_when_the_first_control_plane_fails_the_cause_is_said_once(monkeypatch):
    desk = Desk(monkeypatch, host("c1", "control-plane"), host("w1"), facts=[bare("c1"), bare("w1")])
    desk.does["init", "c1"] = raising(PhaseError("etcd does not start: the disk is full"))
    with pytest.raises(PykubeadmError) as failed:
        desk.apply()
    assert str(failed.value).count("the disk is full") == 1
    assert not any(done.startswith("join") for done in desk.done)
    assert failed.value.exit_status == PhaseError.exit_status


def test_joins_wait_for_removals(monkeypatch):
    hosts = [host("c1", "control-plane"), host("c2", "control-plane", state="absent"), host("c3", "control-plane")]
    facts = [control_plane("c1"), control_plane("c2"), bare("c3")]
    desk = Desk(monkeypatch, *hosts, facts=facts, found=cluster("c1", node("c1"), node("c2")))
    monkeypatch.setattr(apply, "admit", lambda *_: desk.did("admit", "c1"))
    desk.does["reset", "c2"] = lambda: time.sleep(0.2)
    desk.apply()
    assert desk.done.index("admit c1") < desk.done.index("join c3")
    assert desk.done.index("reset c2") < desk.done.index("forget c2") < desk.done.index("join c3")


def test_a_worker_that_does_not_leave_stops_no_join_and_workers_wait_for_nobody_s_leaving(monkeypatch):
    hosts = [host("c1", "control-plane"), host("c2", "control-plane"), host("c3", "control-plane", state="absent")]
    hosts += [host("w1", state="absent"), host("w2")]
    facts = [control_plane("c1"), bare("c2"), control_plane("c3"), worker("w1"), bare("w2")]
    found = cluster("c1", node("c1"), node("c3"), node("w1"))
    desk = Desk(monkeypatch, *hosts, facts=facts, found=found)
    monkeypatch.setattr(apply, "admit", lambda *_: None)
    joined = threading.Event()
    desk.does["reset", "w1"] = raising(NodeError("a PodDisruptionBudget is in the way"))
    desk.does["reset", "c3"] = lambda: joined.wait(10)
    desk.does["join", "w2"] = joined.set
    with pytest.raises(PykubeadmError, match="w1: a PodDisruptionBudget is in the way"):
        desk.apply()
    assert desk.done.index("join w2") < desk.done.index("forget c3") < desk.done.index("join c2")


def test_the_dead_are_forgotten_before_the_living_leave(monkeypatch):
    """With the dead out of it, etcd can spare more."""
    hosts = [host("c1", "control-plane"), *(host(name, "control-plane", state="absent") for name in ("c2", "c3"))]
    facts = [control_plane("c1"), control_plane("c2"), unreachable("c3")]
    desk = Desk(monkeypatch, *hosts, facts=facts, found=cluster("c1", node("c1"), node("c2"), node("c3")))
    desk.does["forget", "c3"] = lambda: time.sleep(0.2)
    desk.apply()
    assert desk.done == ["forget c3", "reset c2", "forget c2"]


@pytest.mark.parametrize("parts", [("load-balancer",), ("load-balancer", "control-plane")])
def test_a_load_balancer_that_leaves_is_stopped_and_no_cluster_is_needed_for_it(monkeypatch, parts):
    hosts = [host("c1", "control-plane"), host("lb", *parts, state="absent")]
    facts = [bare("c1"), NodeFacts("lb", balancing=("haproxy.service",))]
    desk = Desk(monkeypatch, *hosts, facts=facts)
    desk.nodes["lb"].units["haproxy.service"] = UnitState("loaded", "active", "running", "enabled")
    desk.does["init", "c1"] = raising(PhaseError("it fails"))
    with pytest.raises(PykubeadmError, match="c1: it fails"):
        desk.apply()
    assert desk.nodes["lb"].unit_actions == [("haproxy.service", "disabled"), ("haproxy.service", "stopped")]
    assert desk.outcome("lb").outcome == "changed"


def test_nothing_that_lets_nodes_in_outlasts_the_run(monkeypatch):
    desk = Desk(monkeypatch, host("c1", "control-plane"), host("w1"), facts=[bare("c1"), bare("w1")])
    withdrawn = []
    monkeypatch.setattr(apply, "withdraw", lambda api, letting, _note, **_shared: withdrawn.append((api, letting.token)))
    desk.does["join", "w1"] = raising(PhaseError("it cannot join"))
    with pytest.raises(PykubeadmError):
        desk.apply()
    assert len(withdrawn) == 1
    assert not any(withdrawn[0][1] in repr(event) for event in desk.events)


def test_labels_wait_for_the_node_that_a_slow_kubelet_makes(monkeypatch):
    desk = Desk(monkeypatch, host("c1", "control-plane"), host("w1", labels={"disk": "ssd"}), facts=[bare("c1"), bare("w1")])
    asked, get = [], desk.api.get

    def slowly(api_version, kind, name, *more):
        asked.append(name)
        return get(api_version, kind, name, *more) if asked.count("w1") > 2 else None

    monkeypatch.setattr(desk.api, "get", slowly)
    desk.apply()
    assert get("v1", "Node", "w1")["metadata"]["labels"] == {"disk": "ssd"}
    assert any(isinstance(event, NodeProgress) and event.step == "label" and event.changes for event in desk.events)


def test_until_ends_early(monkeypatch):
    desk = Desk(monkeypatch, host("c1", "control-plane"), host("w1"), facts=[bare("c1"), bare("w1")])
    desk.apply(until="prepare")
    assert sorted(desk.done) == ["prepare c1", "prepare w1"]


@pytest.mark.parametrize(("until", "more"), [("prepare", set()), ("init", set()), ("join", {"reset w1", "forget w1", "join w2"})])
def test_until_ends_before_hosts_leave(until, more, monkeypatch):
    hosts = [host("c1", "control-plane"), host("w1", state="absent"), host("w2")]
    facts = [control_plane("c1"), worker("w1"), bare("w2")]
    desk = Desk(monkeypatch, *hosts, facts=facts, found=cluster("c1", node("c1"), node("w1")))
    monkeypatch.setattr(apply, "admit", lambda *_: None)
    desk.apply(until=until)
    assert set(desk.done) == {"prepare w2"} | more


def test_no_more_hosts_at_a_time_than_forks(monkeypatch):
    names = ("w1", "w2", "w3", "w4")
    desk = Desk(monkeypatch, host("c1", "control-plane"), *map(host, names), facts=[bare("c1"), *map(bare, names)])
    at_once, most, forks, two = [], [], [], threading.Barrier(2, timeout=60)

    def play(*given, **more):
        forks.append(more["forks"])
        return desk.play(*given, **more)

    def join(name):
        at_once.append(name)
        most.append(len(at_once))
        two.wait()
        time.sleep(0.05)
        at_once.remove(name)

    for name in names:
        desk.does["join", name] = partial(join, name)
    monkeypatch.setattr("pykubeadm.ansible.playbook.run_playbook", play)
    desk.apply(forks=2)
    assert max(most) == 2
    assert forks == [2]


def test_the_time_ends_a_pod_network_that_is_not_applied(monkeypatch):
    desk = Desk(monkeypatch, host("c1", "control-plane"), facts=[bare("c1")], plugin="flannel")
    ended = threading.Event()

    def never():
        for own in [thread for thread in threading.enumerate() if thread.name == "c1"]:
            own.join()  # all else is done
        monkeypatch.setattr("pykubeadm.fleet.options.Options.left", 0.0)
        ended.wait(60)

    desk.does["network", "c1"] = never
    with pytest.raises(PykubeadmError, match=r"^c1: the pod network was not applied when --timeout ended the run"):
        desk.apply(timeout=60)
    assert desk.done == ["prepare c1", "init c1"]
    ended.set()


def test_the_time_ends_what_is_not_done(monkeypatch):
    desk = Desk(monkeypatch, host("c1", "control-plane"), host("w1"), facts=[bare("c1"), bare("w1")])
    forever = threading.Event()
    desk.does["init", "c1"] = lambda: forever.wait(20)
    began = time.monotonic()
    with pytest.raises(PykubeadmError, match="--timeout"):
        desk.apply(timeout=0.6)
    forever.set()
    assert time.monotonic() - began < 10
    assert "join w1" not in desk.done


def test_nothing_begins_where_looking_took_all_of_the_time(monkeypatch):
    desk = Desk(monkeypatch, host("c1", "control-plane"), facts=[bare("c1")])
    with pytest.raises(PykubeadmError, match=r"^--timeout ended the run while machines were looked at: nothing was begun"):
        desk.apply(timeout=60.0, began=time.monotonic() - 61)
    assert desk.done == []
    assert desk.nodes["c1"].stat("/var/lib/pykubeadm/preparing") is None


def test_a_cluster_that_is_as_it_should_be_is_left_alone(monkeypatch):
    facts = [control_plane("c1"), worker("w1")]
    hosts = [host("c1", "control-plane"), host("w1")]
    desk = Desk(monkeypatch, *hosts, facts=facts, found=cluster("c1", node("c1"), node("w1")))
    desk.apply()
    assert desk.done == []
    assert desk.events[-1].outcome == "unchanged"


def secrets(api):
    return sorted(name for _version, kind, _namespace, name in api.objects if kind == "Secret")


def secret(name):
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name, "namespace": "kube-system"}}


@pytest.mark.parametrize(("shared", "left"), [(True, []), (False, ["kubeadm-certs"])])
def test_certificates_that_another_run_shares_are_left(shared, left):
    api, letting = FakeApi(), admission.new_admission()
    for name in ("kubeadm-certs", f"bootstrap-token-{letting.token[:6]}"):
        api.create(secret(name))
    admission.withdraw(api, letting, pytest.fail, shared=shared)
    assert secrets(api) == left


def test_an_api_server_that_is_away_for_a_moment_keeps_nothing_that_lets_nodes_in():
    api, letting = FakeApi(failures=[ApiStatusError("etcdserver: leader changed", code=500)]), admission.new_admission()
    api.put(secret(f"bootstrap-token-{letting.token[:6]}"))
    admission.withdraw(api, letting, pytest.fail, shared=False)
    assert secrets(api) == []


def test_the_token_of_a_run_that_could_not_share_certificates_is_withdrawn(monkeypatch):
    hosts = [host("c1", "control-plane"), host("c2", "control-plane")]
    found = cluster("c1", node("c1"))
    desk = Desk(monkeypatch, *hosts, facts=[control_plane("c1"), bare("c2")], found=found)
    desk.api.create(secret("bootstrap-token-others"))
    desk.does["init", "c1"] = raising(PhaseError("certificates could not be shared"))  # `init phase upload-certs`
    with pytest.raises(PykubeadmError, match="could not be shared"):
        desk.apply()
    assert ("create", "Secret", "bootstrap-token") in [(verb, kind, name[:15]) for verb, kind, name in desk.api.writes]
    assert secrets(desk.api) == ["bootstrap-token-others"]


def test_the_token_of_an_init_after_which_nobody_can_join_is_withdrawn(monkeypatch):
    desk = Desk(monkeypatch, host("c1", "control-plane"), host("w1"), facts=[bare("c1"), bare("w1")])
    made = []

    def opened(_described, _seed, _node, _address, letting):
        made.append(f"bootstrap-token-{letting.token[:6]}")
        desk.api.create(secret(made[0]))
        raise PhaseError("there is no ca.crt on c1")

    monkeypatch.setattr(apply, "opened", opened)
    with pytest.raises(PykubeadmError, match=r"no ca\.crt"):
        desk.apply()
    assert made
    assert secrets(desk.api) == []


def test_a_run_limited_to_one_new_worker_asks_it_and_one_control_plane(monkeypatch):
    hosts = [host("c1", "control-plane"), host("w1"), host("w2")]
    desk = Desk(monkeypatch, *hosts, facts=[bare("w2")], found=cluster("c1", node("c1", addresses=("10.0.0.9",)), node("w1")))
    admitted = []
    monkeypatch.setattr(apply, "admit", lambda _open, _described, address, joining, _emit: admitted.append((address, joining)))
    desk.facts = Facts({"w2": bare("w2")}, desk.facts.cluster)
    reached = []
    connect = desk.connect
    desk.connect = lambda which: (reached.append(which.name), connect(which) if which.name == "w2" else desk.of_seed(which))[1]
    desk.of_seed = contextmanager(lambda which: iter([desk.nodes[which.name]]))
    desk.apply(limit=("w2",))
    assert desk.done == ["prepare w2", "join w2"]
    assert sorted(set(reached)) == ["c1", "w2"]
    assert [(address, [each.name for each in joining]) for address, joining in admitted] == [("10.0.0.9", ["w2"])]


@pytest.mark.parametrize(("stored", "endpoint"), [("old.example.com:6443", "old.example.com:6443"), ("", "10.0.0.9:6443")])
def test_hosts_join_at_the_endpoint_that_the_cluster_has_whatever_the_file_says(monkeypatch, stored, endpoint):
    hosts = [host("c1", "control-plane"), host("w1")]
    found = cluster("c1", node("c1"), stored={"controlPlaneEndpoint": stored})
    desk = Desk(monkeypatch, *hosts, facts=[control_plane("c1", address="10.0.0.9"), bare("w1")], found=found)
    monkeypatch.setattr(apply, "admit", lambda *_: None)
    monkeypatch.setattr(apply, "opened", lambda *given: replace(opened(*given), api=desk.api))
    desk.nodes["c1"] = certified()
    read = []

    def join(_options, _emit, *, source, **_more):
        read.append(source.content.decode())
        desk.api.create({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "w1"}})

    monkeypatch.setattr("pykubeadm.commands.join.command.join", join)
    monkeypatch.setattr(admission, "api_of", lambda _node: desk.api)
    desk.apply()
    assert f"apiServerEndpoint: {endpoint}\n" in read[0]


def test_the_version_of_new_nodes_is_the_clusters(monkeypatch):
    facts = [control_plane("c1"), bare("w1")]
    older = cluster("c1", node("c1"), version="v1.35.6")
    desk = Desk(monkeypatch, host("c1", "control-plane"), host("w1"), facts=facts, found=older)
    monkeypatch.setattr(apply, "admit", lambda *_: None)
    prepared = []
    shared = preparing.shared_variables
    monkeypatch.setattr(preparing, "shared_variables", lambda *given: prepared.append(shared(*given)) or prepared[-1])
    desk.apply()
    assert {variables["kubelet_version"] for variables in prepared} == {"1.35.6"}
    assert any("the cluster is v1.35.6, and the file says" in getattr(event, "message", "") for event in desk.events)


@pytest.mark.parametrize(("unfinished", "version"), [("", "v1.36.1"), ("init", NEWEST_KNOWN)])
def test_a_control_plane_whose_api_is_away_is_not_brought_to_another_version(monkeypatch, unfinished, version):
    desk = Desk(
        monkeypatch, host("c1", "control-plane"), facts=[control_plane("c1", api_server="v1.36.1", unfinished=unfinished)]
    )
    read = []
    monkeypatch.setattr("pykubeadm.commands.init.command.init", lambda *_, source, **_more: read.append(source.content.decode()))
    desk.api.put({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "c1"}})
    desk.apply()
    assert f"kubernetesVersion: {version}\n" in read[0]


@pytest.mark.parametrize("interrupted", [False, True])
@pytest.mark.parametrize("begins", [False, True])
def test_what_lets_nodes_in_is_not_made_when_it_was_deleted(begins, interrupted, monkeypatch):
    """By a thread that is still at work when --timeout or Ctrl-C ends the run: its connection ends before."""
    hosts = [host("c1", "control-plane"), host("w1")]
    seed, found = (bare("c1"), None) if begins else (control_plane("c1"), cluster("c1", node("c1")))
    desk, connections = Desk(monkeypatch, *hosts, facts=[seed, bare("w1")], found=found), {}
    making, deleted, tried = threading.Event(), threading.Event(), threading.Event()

    @contextmanager
    def connect(which):
        ended = connections[which.name] = threading.Event()
        try:
            yield desk.nodes[which.name]
        finally:
            ended.set()

    def make(*_):
        mine = connections["c1"]
        making.set()
        if not interrupted:
            monkeypatch.setattr("pykubeadm.fleet.options.Options.left", 0.0)
        assert deleted.wait(20)
        if mine.is_set():
            tried.set()
            raise NodeError("c1: the connection was lost in the middle of the work")
        desk.api.create(secret("bootstrap-token-abcdef"))
        tried.set()

    def withdraw(*_, **_shared):
        deleted.set()
        assert tried.wait(20)

    def interrupt(*_):
        assert making.wait(20)
        raise KeyboardInterrupt

    desk.connect, desk.does["init", "c1"] = connect, make
    monkeypatch.setattr(apply, "admit", make)
    monkeypatch.setattr(apply, "withdraw", withdraw)
    if interrupted:
        monkeypatch.setattr(apply, "_wait", interrupt)
    with pytest.raises(KeyboardInterrupt if interrupted else PykubeadmError) as ended:
        desk.apply(timeout=60)
    assert secrets(desk.api) == []
    if not interrupted:
        assert all("--timeout ended the run" in line for line in str(ended.value).splitlines()[:-1])
    assert not any("connection was lost" in getattr(event, "message", "") for event in desk.events)
