"""`cluster certs rotate-ca` runs the nodes' own command where that says it is to be run next, until it waits for the user."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import replace

import pytest

from pykubeadm.errors import NodeError, PhaseError, PykubeadmError, UsageError
from pykubeadm.fleet import command
from pykubeadm.fleet.facts import Facts
from pykubeadm.fleet.file import Described
from pykubeadm.fleet.options import Options
from pykubeadm.fleet.rotating import run_rotate
from pykubeadm.workflow.events import NodeProgress, PhaseFailed, Result, RunFinished
from tests.support.fleets import DIGESTS, bare, cluster, control_plane, fleet, host, node, unreachable, worker
from tests.support.node import FakeNode

HOSTS = (host("w1"), host("c1", "control-plane"), host("w2"), host("c2", "control-plane"), host("lb", "load-balancer"))
KEY = "5e" * 32
STAGES = ("trust", "issue", "drop")


class Desk:
    """A cluster that keeps a stage, and a command that brings a node to it: control planes first, then workers, then on."""

    described = Described(fleet(*HOSTS))

    def __init__(self, monkeypatch):
        self.stage, self.came = -1, set()
        self.nodes = [each.name for each in HOSTS if each.name != "lb"]
        self.strangers, self.dead, self.lost, self.answering = (), (), (), True
        self.does, self.done, self.events, self.keys = {}, [], [], {}
        monkeypatch.setattr(command, "digests_of", lambda *_: dict.fromkeys((each.name for each in HOSTS), DIGESTS))
        monkeypatch.setattr(command, "look", self.look)
        monkeypatch.setattr("pykubeadm.commands.certs.rotation.command.rotate_ca", self.rotate)

    def look(self, _described, _machines, hosts, _told):
        found = cluster("c1", *map(node, (*self.nodes, *self.strangers))) if self.answering else None
        return Facts({each.name: self.machine(each) for each in hosts}, found)

    def machine(self, which):
        if which.name in self.dead:
            return unreachable(which.name)
        if which.name not in self.nodes:
            return bare(which.name)
        return control_plane(which.name) if "control-plane" in which.parts else worker(which.name)

    def rotate(self, names, options, emit, *, machine, advice):
        self.done.append(" ".join([machine.name, *names]))
        self.keys[machine.name] = options.get("certificate_key", "")
        self.does.get(machine.name, lambda: None)()
        if names and self.stage < 0:
            self.stage = 0
        self.came |= {machine.name} - set(self.lost)
        if machine.name.startswith("w"):
            emit(Result(name="rotation", text=f"Go on with {advice.to_run()}.", data={}))
            return
        while True:
            left = [name for name in self.nodes if name not in self.came]
            waiting = [name for name in left if name.startswith("c")] or left
            if waiting:
                self.say(emit, f"is ready. Next: {advice.to_run()}", nodes=",".join(waiting))
                return
            if STAGES[self.stage] == "issue" and not options.get("finish"):
                self.say(emit, f"then {advice.to_run(' --finish')} removes the former CA")
                return
            if self.stage == len(STAGES) - 1:
                emit(Result(name="rotation", text="Rotated ca.", data={"stage": "drop"}))
                return
            self.stage, self.came = self.stage + 1, {machine.name}

    def say(self, emit, text, **data):
        emit(Result(name="rotation", text=text, data={"stage": STAGES[self.stage], **data}))

    @contextmanager
    def connect(self, which):
        made = FakeNode(which.name)
        if which.name == "c1":
            made.put("/var/lib/pykubeadm/ca-rotation/certificate-key", KEY)
        yield made

    def run(self, *names, given=None, **options):
        run_rotate(self.described, names, given or {}, Options(**options), self.events.append, connect=self.connect)

    @property
    def said(self):
        return [event.text for event in self.events if isinstance(event, Result)]


@pytest.fixture
def desk(monkeypatch):
    return Desk(monkeypatch)


ROUND = ["c2", "c1", "w1", "w2", "c1"]


def test_each_stage_comes_to_each_node_before_the_next_until_it_waits_for_the_user(desk):
    desk.run("ca")
    assert desk.done == ["c1 ca", *ROUND, *ROUND]
    assert desk.keys == {"c1": "", "c2": KEY, "w1": "", "w2": ""}, "other control planes need it for the CAs' keys"
    assert KEY not in "".join(map(str, desk.events))
    assert desk.said == ["then `pykubeadm cluster certs rotate-ca --finish` removes the former CA"]
    assert desk.events[-1].exit_status == 0
    desk.done.clear()
    desk.run(given={"finish": True})
    assert desk.done == ["c1", *ROUND]
    assert desk.said[-1] == "Rotated ca."


def test_what_the_node_s_command_advises_is_said_as_of_this_one(desk, monkeypatch):
    """Of results, and of what a node fails with."""

    def command(_names, given, emit, *, advice, **_machine):
        sentence = f"no rotation is under way; {advice.to_run(' all')} starts one"
        if given.get("finish"):
            emit(PhaseFailed(phase="look", error=sentence, exit_status=1))
            raise PhaseError(sentence)
        emit(Result(name="rotation", text=sentence, data={}))

    monkeypatch.setattr("pykubeadm.commands.certs.rotation.command.rotate_ca", command)
    desk.run()
    assert desk.said == ["no rotation is under way; `pykubeadm cluster certs rotate-ca all` starts one"]
    with pytest.raises(PykubeadmError, match="c1: no rotation is under way; `pykubeadm cluster certs rotate-ca all` starts one"):
        desk.run(given={"finish": True})
    assert [event.message for event in desk.events if isinstance(event, NodeProgress) and event.outcome == "failed"] == [
        "no rotation is under way; `pykubeadm cluster certs rotate-ca all` starts one"
    ] * 2


def test_the_last_control_plane_may_be_the_one_that_ends_it(desk):
    desk.nodes = ["c1", "c2"]
    desk.run("ca", given={"finish": True})
    assert desk.said == ["Rotated ca."]
    assert desk.stage == len(STAGES) - 1
    assert desk.events[-1].exit_status == 0


def test_a_failure_ends_the_run_and_the_next_one_goes_on(desk):
    def failing():
        raise PhaseError("the kubelet did not get its certificate")

    desk.does["w1"] = failing
    with pytest.raises(PykubeadmError, match="w1: the kubelet did not get its certificate"):
        desk.run("ca")
    assert desk.done == ["c1 ca", "c2", "c1", "w1"]
    assert desk.said == []
    desk.does.clear()
    desk.run("ca")
    assert desk.said == ["then `pykubeadm cluster certs rotate-ca --finish` removes the former CA"]


@pytest.mark.parametrize(
    ("attribute", "value", "sentence"),
    [
        ("dead", ("w2",), "w2 cannot be reached\nnothing was rotated"),
        ("strangers", ("x1",), "x1 is a node of the cluster and no host of the file\nnothing was rotated"),
    ],
)
def test_nothing_begins_where_a_node_would_be_left_behind(desk, attribute, value, sentence):
    setattr(desk, attribute, value)
    with pytest.raises(NodeError, match=sentence):
        desk.run("ca")
    assert desk.done == []
    assert isinstance(desk.events[-1], RunFinished)


def test_what_has_no_certificate_of_the_cluster_holds_nobody_up(desk):
    gone = replace(HOSTS[2], state="absent")
    desk.described = Described(fleet(*HOSTS[:2], gone, *HOSTS[3:]))
    desk.dead = ("w2", "lb")
    with pytest.raises(NodeError, match="w2 is still a node of the cluster, and marked absent: `pykubeadm cluster apply`"):
        desk.run("ca")
    desk.nodes.remove("w2")
    desk.run("ca")
    assert desk.said == ["then `pykubeadm cluster certs rotate-ca --finish` removes the former CA"]


def test_an_api_that_is_away_is_for_the_command_to_wait_for(desk):
    desk.answering = False
    desk.run("ca")
    assert desk.done[0] == "c1 ca"


def test_a_node_that_never_comes_to_the_stage_is_not_asked_for_ever(desk):
    desk.lost = ("w2",)
    with pytest.raises(PhaseError, match="w2 did not reach the stage trust"):
        desk.run("ca")


@pytest.mark.parametrize(
    ("names", "given", "options", "sentence"),
    [
        (("ca",), {"abort": True}, {}, "--abort goes back"),
        ((), {"abort": True, "finish": True}, {}, "--abort goes back"),
        ((), {}, {"limit": ("c1",)}, "--limit: CAs are rotated on all nodes"),
    ],
)
def test_options_that_exclude_each_other(desk, names, given, options, sentence):
    with pytest.raises(UsageError, match=sentence):
        desk.run(*names, given=given, **options)
    assert desk.done == []
