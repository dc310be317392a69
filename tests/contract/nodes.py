"""Every node there is, with what holds for it by design. A new kind of node is one more row."""

from __future__ import annotations

import atexit
import os
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import pytest

from pykubeadm.errors import NodeError
from pykubeadm.node.helper import Helper
from pykubeadm.node.journal import Journal
from pykubeadm.node.journaled import JournaledNode
from pykubeadm.node.local import LocalNode
from pykubeadm.node.port import Command, Completed, Node, UnitState
from pykubeadm.node.recording import RecordingNode
from pykubeadm.node.remote import RemoteNode
from tests.support.node import FakeNode
from tests.support.sshd import running_sshd
from tests.support.systemctl import INSTALLED, RUNNING, Systemctl

UNITS: Mapping[str, UnitState] = {
    "stopped": INSTALLED,
    "running": RUNNING,
    "failing": replace(RUNNING, active="activating", sub="auto-restart", result="exit-code", restarts=3),
    "failed": replace(INSTALLED, active="failed", sub="failed", result="exit-code"),
    "static": replace(RUNNING, enabled="static"),
    "masked": replace(INSTALLED, load="masked", enabled="masked"),
}


@dataclass(frozen=True)
class Place:
    """A node, and the directory on it in which a test may do as it likes. What a test finds there is written through `given`."""

    node: Node
    given: Node
    directory: str
    link: Callable[[str, str], None]  # makes a symbolic link: its path, its target

    def at(self, name: str) -> str:
        return f"{self.directory}/{name}"


@dataclass(frozen=True)
class Row:
    make: Callable[[Path, ExitStack], Place]  # given an empty directory of this machine, and who ends what it starts
    commands: bool = True  # False: there are no programs that it could run
    systemd: bool = True  # False: it has no units, or none by script
    acts: bool = True  # False: a dry run, which only records what would be changed
    waits: bool = True  # False: it looks once, whatever the patience
    locks: bool = False  # True: its lock is one that tests may take
    writes_through_links: bool = True  # False: a recorded change is seen at its own path only


class Machine(LocalNode):
    """This machine, with a systemd by script."""

    def __init__(self) -> None:
        super().__init__()
        self.systemctl = Systemctl(dict(UNITS))

    def _has_systemd(self) -> bool:
        return True

    def _run(self, command: Command) -> Completed:
        return self.systemctl(command) if command.argv[0] == "systemctl" else super()._run(command)


def this_machine(folder: Path, _started: ExitStack) -> Place:
    node = Machine()
    return Place(node, node, str(folder), lambda path, target: os.symlink(target, path))


def tree(folder: Path, _started: ExitStack) -> Place:
    node = LocalNode(str(folder))
    return Place(node, node, "", lambda path, target: os.symlink(target, f"{folder}{path}"))


def recording(folder: Path, started: ExitStack) -> Place:
    place = this_machine(folder, started)
    return replace(place, node=RecordingNode(place.node))


def journaled(folder: Path, started: ExitStack) -> Place:
    place = this_machine(folder, started)
    return replace(place, node=JournaledNode(place.node, Journal(FakeNode())))


def in_memory(_folder: Path, _started: ExitStack) -> Place:
    """Its script has this machine's shell answer."""

    def shell(command: Command) -> Completed:
        return LocalNode().run(replace(command, check=False))

    node = FakeNode(units=dict(UNITS), commands={"sh": shell})
    return Place(node, node, "/files", node.links.__setitem__)


@contextmanager
def helped(node: Node) -> Iterator[RemoteNode]:
    """The node at the other end of two pipes."""
    (questions, ask), (answers, answer) = os.pipe(), os.pipe()
    with open(answers, "rb") as answered, open(questions, "rb") as asked, open(answer, "wb") as answering:
        thread = threading.Thread(target=Helper(node, asked, answering).serve)
        thread.start()
        remote = RemoteNode(node.name, answered, open(ask, "wb"), lost=lambda why: NodeError(f"lost: {why}"))  # noqa: SIM115
        try:
            yield remote
        finally:
            remote.close()
            thread.join()


def behind_a_helper(folder: Path, started: ExitStack) -> Place:
    place = this_machine(folder, started)
    return replace(place, node=started.enter_context(helped(place.node)))


def over_ssh(folder: Path, started: ExitStack) -> Place:
    place = this_machine(folder, started)
    return replace(place, node=_connected())


@cache
def _connected() -> Node:
    """One connection for all tests of this process."""
    connection = running_sshd().connected()
    node: Node = connection.__enter__()
    atexit.register(connection.__exit__, None, None, None)
    return node


NODES: Mapping[str, Row] = {
    "local": Row(this_machine),
    "local, another root": Row(tree, commands=False, systemd=False, locks=True),
    "recording": Row(recording, acts=False, waits=False, writes_through_links=False),
    "journaled": Row(journaled),
    "fake": Row(in_memory, waits=False),
    "helper": Row(behind_a_helper),
    "ssh": Row(over_ssh, systemd=False),
}


def of(having: Callable[[Row], bool] = lambda _row: True) -> pytest.MarkDecorator:
    """For a test of all nodes, or of those whose row is so; it gets its `place`."""
    rows = {name: row for name, row in NODES.items() if having(row)}
    return pytest.mark.parametrize("row", rows.values(), ids=rows)
