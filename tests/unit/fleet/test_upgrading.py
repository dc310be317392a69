"""Whose turn it is in an upgrade of a fleet, how many at a time, what a failure stops, and where the next run goes on."""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager

import pytest

from pykubeadm.errors import BUG, NodeError, PhaseError, PykubeadmError, UsageError
from pykubeadm.fleet import command
from pykubeadm.fleet import look as looking
from pykubeadm.fleet.facts import Facts
from pykubeadm.fleet.file import Described
from pykubeadm.fleet.options import Options
from pykubeadm.fleet.upgrading import run_upgrade, turns
from pykubeadm.workflow.events import NodeProgress, Note, RunFinished
from tests.support.fleets import DIGESTS, cluster, control_plane, fleet, host, node, ready, unreachable, worker
from tests.support.node import FakeNode

OLD, NEW = "v1.35.6", "v1.36.2"
HOSTS = (host("w1"), host("w2"), host("c1", "control-plane"), host("c2", "control-plane"))


class Desk:
    """`upgrade` on the machines of a fleet, faked: it brings a host to the new version. `does` maps a host's name to what
    happens there; `done` is the order in which they ended, `most` how many there were at a time."""

    def __init__(self, monkeypatch, *hosts, version=OLD, target=NEW):
        self.described = Described(fleet(*hosts, version=target))
        self.hosts = {each.name: each for each in hosts}
        self.version = version
        self.kubelets = dict.fromkeys(self.hosts, version)
        self.api_servers = {name: version for name, each in self.hosts.items() if "control-plane" in each.parts}
        self.cut_off = {}
        self.dead = ()
        self.answering = True
        self.does, self.done, self.events, self.options = {}, [], [], {}
        self.now, self.most, self.lock = 0, 0, threading.Lock()
        monkeypatch.setattr(command, "digests_of", lambda *_: dict.fromkeys(self.hosts, DIGESTS))
        monkeypatch.setattr(command, "look", self.look)
        monkeypatch.setattr("pykubeadm.commands.upgrade.command.upgrade", self.upgrade)

    def look(self, _described, _machines, hosts, _told):
        facts = {each.name: self.machine(each) for each in hosts}
        nodes = [node(name, version=version) for name, version in self.kubelets.items()]
        seed = next(name for name in self.api_servers)
        return Facts(facts, cluster(seed, *nodes, version=self.version) if self.answering else None)

    def machine(self, which):
        if which.name in self.dead:
            return unreachable(which.name)
        made = control_plane if which.name in self.api_servers else worker
        return made(which.name, upgrading=self.cut_off.get(which.name, ""), api_server=self.api_servers.get(which.name, ""))

    def upgrade(self, part, options, _emit, *, choose, name, machine):
        assert name == f"upgrade {part}"
        assert any(step.path == "kubelet/replace" for step in choose(()))
        with self.lock:
            self.options[machine.name] = options
            self.now += 1
            self.most = max(self.most, self.now)
        try:
            self.does.get(machine.name, lambda: None)()
        finally:
            with self.lock:
                self.now -= 1
        with self.lock:
            self.done.append(f"{part} {machine.name}")
            self.answering = True
            self.version = NEW if part == "apply" else self.version
            self.kubelets[machine.name] = NEW
            self.cut_off.pop(machine.name, None)
            if machine.name in self.api_servers:
                self.api_servers[machine.name] = NEW

    @contextmanager
    def connect(self, which):
        if which.name in self.dead:
            raise NodeError(f"{which.name} cannot be reached")
        yield FakeNode(which.name)

    def run(self, max_unavailable=1, **options):
        run_upgrade(self.described, Options(**options), max_unavailable, self.events.append, connect=self.connect)


def raising(error):
    def run():
        raise error

    return run


def test_control_planes_go_first_one_by_one_and_the_next_run_has_nothing_to_do(monkeypatch):
    desk = Desk(monkeypatch, *HOSTS)
    desk.run()
    assert desk.done == ["apply c1", "node c2", "node w1", "node w2"]
    assert desk.most == 1
    assert desk.options["c1"]["kubernetes_version"] == NEW
    desk.run()
    assert len(desk.done) == 4
    assert desk.events[-1] == RunFinished(outcome="unchanged", changed=0, exit_status=0)


def test_what_stays_as_it_is_on_hosts_of_etcd_is_said(monkeypatch):
    desk = Desk(monkeypatch, host("c1", "control-plane"), *(host(name, "etcd") for name in ("e1", "e2", "e3")))
    behind = {"etcd": True, "etcd_version": "3.5.21", "kubelet": OLD}
    members = {
        "e1": ready("e1", **behind),
        "e2": ready("e2", etcd=True, etcd_version="3.6.8", kubelet=NEW),
        "e3": unreachable("e3"),
    }
    machine = desk.machine
    monkeypatch.setattr(desk, "machine", lambda which: members.get(which.name) or machine(which))
    desk.kubelets = {"c1": OLD}
    desk.run()
    said = [(event.topic, event.message) for event in desk.events if isinstance(event, Note)]
    alone = "an upgrade leaves hosts with the part etcd alone"
    assert said == [("e1", f"it stays with etcd 3.5.21 and kubelet v1.35.6: {alone}")]
    assert desk.done == ["apply c1"]


def test_so_many_workers_at_a_time_and_a_slow_one_holds_up_no_other(monkeypatch):
    desk = Desk(monkeypatch, host("c1", "control-plane"), *(host(f"w{at}") for at in range(5)))
    over = threading.Event()
    desk.does |= {"w0": lambda: over.wait(100), "w4": over.set} | {f"w{at}": lambda: time.sleep(0.02) for at in (1, 2, 3)}
    desk.run(max_unavailable=2)
    assert desk.most == 2
    assert desk.done[0] == "apply c1"
    assert desk.done.index("node w3") < desk.done.index("node w0")


def test_a_control_plane_that_fails_ends_the_run(monkeypatch):
    desk = Desk(monkeypatch, *HOSTS)
    desk.does["c2"] = raising(PhaseError("etcd has no majority"))
    with pytest.raises(PykubeadmError, match="c2: etcd has no majority"):
        desk.run()
    assert desk.done == ["apply c1"]
    desk.does.clear()
    desk.run()
    assert desk.done == ["apply c1", "node c2", "node w1", "node w2"], "the next run goes on"


def test_a_worker_that_fails_lets_none_begin_after_it(monkeypatch):
    desk = Desk(monkeypatch, *HOSTS)
    desk.does["w1"] = raising(PhaseError("a PodDisruptionBudget holds its pods"))
    with pytest.raises(PykubeadmError, match="PodDisruptionBudget") as failed:
        desk.run()
    assert desk.done == ["apply c1", "node c2"]
    assert failed.value.exit_status == PhaseError.exit_status


def test_a_dead_worker_is_named_and_the_others_are_upgraded(monkeypatch):
    desk = Desk(monkeypatch, *HOSTS)
    desk.dead = ("w1",)
    with pytest.raises(PykubeadmError, match="w1 cannot be reached"):
        desk.run()
    assert desk.done == ["apply c1", "node c2", "node w2"]


def test_nothing_begins_while_a_control_plane_is_dead(monkeypatch):
    desk = Desk(monkeypatch, *HOSTS)
    desk.dead = ("c2",)
    with pytest.raises(NodeError, match="c2 cannot be reached\nnothing was upgraded"):
        desk.run()
    assert desk.done == []
    assert isinstance(desk.events[-1], RunFinished)


@pytest.mark.parametrize(("cut_off", "expected"), [("apply", "apply c2"), ("node", "apply c1")])
def test_what_was_cut_off_as_the_first_is_finished_first(monkeypatch, cut_off, expected):
    desk = Desk(monkeypatch, *HOSTS)
    desk.cut_off = {"c2": cut_off}
    desk.run()
    assert desk.done[0] == expected


def test_a_cluster_whose_only_api_server_was_being_replaced_is_brought_back(monkeypatch):
    desk = Desk(monkeypatch, host("c1", "control-plane"), host("w1"))
    desk.answering, desk.cut_off = False, {"c1": "apply"}
    desk.run()
    assert desk.done == ["apply c1", "node w1"]


def test_without_an_api_server_and_nothing_begun_nothing_is_done(monkeypatch):
    desk = Desk(monkeypatch, *HOSTS)
    desk.answering = False
    with pytest.raises(PykubeadmError, match="no control plane's API server answers"):
        desk.run()
    assert desk.done == []


def test_workers_do_not_go_before_the_cluster(monkeypatch):
    desk = Desk(monkeypatch, *HOSTS)
    with pytest.raises(PhaseError, match="and a control plane has to bring it to"):
        desk.run(limit=("w1",))
    desk.run(limit=("c1",))
    desk.run(limit=("w2",))
    assert desk.done == ["apply c1", "node w2"]


def test_when_the_time_is_over_no_further_host_begins(monkeypatch):
    desk = Desk(monkeypatch, *HOSTS)
    desk.does["c1"] = lambda: monkeypatch.setattr("pykubeadm.fleet.options.Options.left", 0.0)
    with pytest.raises(PykubeadmError, match="c2 was not begun when --timeout ended the run"):
        desk.run(timeout=60)
    assert desk.done == ["apply c1"]


def test_a_file_without_a_version_is_refused():
    base = fleet(*HOSTS)
    described = Described(type(base)(base.cluster, base.configuration, names_version=False))
    with pytest.raises(UsageError, match="set kubernetesVersion"):
        run_upgrade(described, Options(), 1, lambda _event: None)


def test_why_it_is_whose_turn():
    hosts = (*HOSTS, host("w3"), host("new"), host("gone", state="absent"))
    nodes = [node("c1"), node("c2"), node("w1"), node("w2", version=OLD), node("w3", drained=True), node("gone", version=OLD)]
    found = cluster("c1", *nodes)
    others = {"w1": worker("w1", upgrading="node"), "c2": control_plane("c2", api_server=OLD)}
    facts = Facts({each.name: worker(each.name) for each in hosts} | others, found)
    said = {turn.host.name: turn.reason for turn in turns(hosts, facts, found, NEW)}
    assert said == {
        "c2": f"its API server is {OLD}",
        "w1": "`upgrade node` was cut off there, or failed",
        "w2": f"its kubelet is {OLD}",
        "w3": "it was drained for an upgrade, and still is",
    }


def test_a_control_plane_that_the_file_calls_a_worker_has_its_turn_among_control_planes():
    hosts = (host("w1"), host("c2"), host("c1", "control-plane"))
    machines = (worker("w1"), control_plane("c2", api_server=OLD), control_plane("c1", api_server=OLD))
    found = cluster("c1", *(node(each.name, version=OLD) for each in hosts), version=OLD)
    facts = Facts({each.name: each for each in machines}, found)
    assert [(turn.host.name, turn.is_control_plane) for turn in turns(hosts, facts, found, NEW)] == [
        ("c2", True),
        ("c1", True),
        ("w1", False),
    ]


def test_checks_that_the_file_ignores_are_ignored(monkeypatch):
    desk = Desk(monkeypatch, host("c1", "control-plane", ignore_preflight_errors=("Swap",)))
    desk.run()
    assert desk.options["c1"]["ignore_preflight_errors"] == ("Swap",)


def test_programs_come_with_the_roles_that_run_here_and_go_through_the_file_s_proxy(monkeypatch):
    played = {}
    replaced = []

    def play(space, _playbook, _report, *, limit, tags):
        played["limit"], played["tags"] = limit, tags
        with open(space.inventories[0], encoding="utf-8") as inventory:
            played["variables"] = inventory.read()

    def replace(run, play, controller):
        replaced.append((run, controller.name))
        play(run, {"kubelet_version": "1.36.2", "kubelet_environment": {}}, ["kubelet"], lambda _event: None)
        return ("installed",)

    monkeypatch.setattr("pykubeadm.ansible.playbook.run_playbook", play)
    monkeypatch.setattr("pykubeadm.commands.upgrade.kubelet.replace_programs", replace)
    desk = Desk(monkeypatch, host("c1", "control-plane"))
    proxied = type(desk.described.cluster.proxy)(https="http://proxy:3128")
    base = desk.described.fleet
    cluster_file = type(base.cluster)(hosts=base.cluster.hosts, proxy=proxied)
    desk.described = Described(type(base)(cluster_file, base.configuration, names_version=True))
    chosen = []

    def upgrade(_part, _options, _emit, *, choose, **_more):
        chosen.extend(choose(()))

    monkeypatch.setattr("pykubeadm.commands.upgrade.command.upgrade", upgrade)
    desk.run()
    step = next(step for step in chosen if step.path == "kubelet/replace")
    assert step.phase.apply(object()) == ("installed",)
    assert (played["limit"], played["tags"]) == ("c1", ["kubelet"])
    assert "https_proxy: http://proxy:3128" in played["variables"]
    assert any(isinstance(event, NodeProgress) and event.node == "c1" for event in desk.events)


BROKEN, BUG_SENTENCE = KeyError("spec"), "this is a bug in pykubeadm (KeyError: 'spec')"


@pytest.mark.parametrize(("name", "done"), [("c2", ["apply c1"]), ("w1", ["apply c1", "node c2"])])
def test_a_bug_lets_no_machine_begin_after_it(name, done, monkeypatch):
    desk = Desk(monkeypatch, *HOSTS)
    desk.does[name] = raising(BROKEN)
    with pytest.raises(PykubeadmError) as failed:
        desk.run()
    assert str(failed.value).splitlines()[0] == f"{name}: {BUG_SENTENCE}"
    assert (desk.done, failed.value.exit_status) == (done, BUG)
    assert desk.events[-1] == RunFinished(outcome="failed", changed=0, exit_status=BUG)


def test_a_control_plane_where_looking_finds_a_bug_is_as_one_that_cannot_be_reached(monkeypatch):
    desk = Desk(monkeypatch, *HOSTS)

    def look_at_node(_described, which, _node):
        if which.name == "c2":
            raise BROKEN
        return desk.machine(which)

    monkeypatch.setattr(command, "look", looking.look)
    monkeypatch.setattr(looking, "look_at_node", look_at_node)
    monkeypatch.setattr(looking, "_cluster", lambda *_: desk.look(None, None, HOSTS, None).cluster)
    with pytest.raises(NodeError, match="nothing was upgraded") as failed:
        desk.run()
    assert str(failed.value).splitlines()[0] == f"c2: {BUG_SENTENCE}"
    assert (desk.done, failed.value.exit_status) == ([], BUG)
    assert desk.events[-1] == RunFinished(outcome="failed", changed=0, exit_status=BUG)
