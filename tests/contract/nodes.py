"""Every node there is, with what holds for it by design. A new kind of node is one more row."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from pykubeadm.node.journal import Journal
from pykubeadm.node.journaled import JournaledNode
from pykubeadm.node.local import LocalNode
from pykubeadm.node.port import Command, Completed, Node, UnitState
from pykubeadm.node.recording import RecordingNode
from tests.support.node import FakeNode
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
    make: Callable[[Path], Place]  # given an empty directory of this machine
    commands: bool = True  # False: there are no programs that it could run
    systemd: bool = True  # False: it has no units
    acts: bool = True  # False: a dry run, which only records what would be changed
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


def this_machine(folder: Path) -> Place:
    node = Machine()
    return Place(node, node, str(folder), lambda path, target: os.symlink(target, path))


def tree(folder: Path) -> Place:
    node = LocalNode(str(folder))
    return Place(node, node, "", lambda path, target: os.symlink(target, f"{folder}{path}"))


def recording(folder: Path) -> Place:
    place = this_machine(folder)
    return replace(place, node=RecordingNode(place.node))


def journaled(folder: Path) -> Place:
    place = this_machine(folder)
    return replace(place, node=JournaledNode(place.node, Journal(FakeNode())))


def in_memory(_folder: Path) -> Place:
    """Its script has this machine's shell answer."""

    def shell(command: Command) -> Completed:
        return LocalNode().run(replace(command, check=False))

    node = FakeNode(units=dict(UNITS), commands={"sh": shell})
    return Place(node, node, "/files", node.links.__setitem__)


NODES: Mapping[str, Row] = {
    "local": Row(this_machine),
    "local, another root": Row(tree, commands=False, systemd=False),
    "recording": Row(recording, acts=False, writes_through_links=False),
    "journaled": Row(journaled),
    "fake": Row(in_memory),
}


def of(having: Callable[[Row], bool] = lambda _row: True) -> pytest.MarkDecorator:
    """For a test of all nodes, or of those whose row is so; it gets its `place`."""
    rows = {name: row for name, row in NODES.items() if having(row)}
    return pytest.mark.parametrize("row", rows.values(), ids=rows)
