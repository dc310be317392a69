"""The desk from which a plan is carried out, with its commands, roles and API faked."""

from __future__ import annotations

import threading
from contextlib import contextmanager

from pykubeadm.ansible.results import HostSummary, Summary, TaskEnded
from pykubeadm.errors import NodeError, PykubeadmError
from pykubeadm.fleet import apply, command, leaving, ready
from pykubeadm.fleet.admission import Open
from pykubeadm.fleet.command import run_apply
from pykubeadm.fleet.facts import Facts
from pykubeadm.fleet.file import Described
from pykubeadm.fleet.options import Options
from pykubeadm.fleet.preparing import LAST_TASK
from pykubeadm.workflow.events import NodeProgress
from tests.support.api import FakeApi
from tests.support.fleets import DIGESTS, fleet
from tests.support.node import FakeNode


class Desk:
    """Commands, roles and API of a fleet, faked. `does` maps ("join", "w1") to what happens there; `done` is the order in which
    things ended."""

    def __init__(self, monkeypatch, *hosts, facts=(), found=None, plugin="none"):
        self.described = Described(fleet(*hosts, plugin=plugin))
        self.facts = Facts({each.name: each for each in facts}, found)
        self.nodes = {each.name: FakeNode(each.name) for each in hosts}
        self.api = FakeApi()
        self.does = {}
        self.done = []
        self.warnings = []  # of the roles
        self.events = []
        self.lock, self.reporting = threading.Lock(), threading.Lock()
        monkeypatch.setattr(ready, "READY_WITHIN", 1.0)
        monkeypatch.setattr(command, "digests_of", lambda *_: {each.name: DIGESTS for each in hosts})
        monkeypatch.setattr(command, "look", lambda *_: self.facts)
        monkeypatch.setattr(apply, "opened", lambda _d, seed, machine, _a, letting: Open(seed, machine, self.api, letting))
        monkeypatch.setattr("pykubeadm.commands.init.command.init", self.command("init"))
        monkeypatch.setattr("pykubeadm.commands.join.command.join", self.command("join"))
        monkeypatch.setattr("pykubeadm.commands.reset.command.reset", self.command("reset"))
        monkeypatch.setattr("pykubeadm.ansible.playbook.run_playbook", self.play)
        monkeypatch.setattr(leaving, "forget", lambda _c, name, _m, _e: self.did("forget", name))
        monkeypatch.setattr(apply, "forget", lambda _c, name, _m, _e: self.did("forget", name))
        for module in (apply, ready):
            monkeypatch.setattr(module, "api_of", lambda _node: self.api)

    def did(self, what, name):
        self.does.get((what, name), lambda: None)()
        with self.lock:
            self.done.append(f"{what} {name}")

    def command(self, what):
        def run(_options, _emit, *, machine, **_more):
            self.did(what, machine.name)
            if what in ("init", "join"):
                self.api.create({"apiVersion": "v1", "kind": "Node", "metadata": {"name": machine.name}})

        return run

    def play(self, _space, playbook, report, *, limit, late=None, **_more):
        if playbook != "prepare":
            late()
            self.did(playbook, limit)
            return Summary({limit: HostSummary(1, 1, 0, 0, 1)})

        unreported = []
        for event in self.warnings:
            report(event)

        def one(name):
            event = TaskEnded(name, "", LAST_TASK, "ok")
            try:
                self.does.get(("prepare", name), lambda: None)()
                with self.lock:
                    self.done.append(f"prepare {name}")
            except PykubeadmError as error:
                event = TaskEnded(name, "pykubeadm.kube.containerd", "Install it", "failed", str(error))
            try:
                with self.reporting:  # one thread reads what Ansible says
                    report(event)
            except OSError as error:
                unreported.append(error)

        threads = [threading.Thread(target=one, args=(name,)) for name in limit.split(",")]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if unreported:
            raise unreported[0]
        return Summary({name: HostSummary(1, 0, 0, 0, 1) for name in limit.split(",")})

    @contextmanager
    def connect(self, which):
        if self.facts.nodes[which.name].error:
            raise NodeError(self.facts.nodes[which.name].error)
        yield self.nodes[which.name]

    def apply(self, **options):
        run_apply(self.described, Options(**options), self.events.append, connect=self.connect)

    def outcome(self, name):
        """The last line of a host."""
        return next(event for event in self.events if isinstance(event, NodeProgress) and event.node == name and not event.step)


def raising(error):
    def run():
        raise error

    return run
