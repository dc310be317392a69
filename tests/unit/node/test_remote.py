"""A node behind a helper: what a join costs in round trips, and what phases that need pykubeadm there do."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import pykubeadm
from pykubeadm.errors import NodeError, PhaseError
from pykubeadm.node.port import Command
from pykubeadm.node.remote import MODULES, payload
from pykubeadm.phases import prepare
from tests.contract.nodes import helped
from tests.support.init_runs import init_run
from tests.support.node import FakeNode


def test_many_questions_are_one_round_trip() -> None:
    fake = FakeNode()
    fake.put("/a", "1")
    question = Command.look_up(("id", "-u"), "ask for the user")
    with helped(fake) as node:
        seen = node.ahead(read=["/a", "/b"], stat=["/a", "/b"], run=[question])
        assert (seen.read("/a"), seen.read("/b"), seen.run(question).status) == (b"1", None, 127)
        assert (seen.stat("/a") is not None, seen.stat("/b")) == (True, None)
        assert node.round_trips == 1


@pytest.mark.parametrize("paths", [[], ["/usr/bin/kubelet", "/usr/lib/systemd/system/kubelet.service"]])
def test_what_a_phase_looks_for_before_it_prepares_is_one_round_trip(paths: list[str]) -> None:
    """On a bare machine, and where there is a kubelet."""
    fake = FakeNode()
    for path in paths:
        fake.put(path)
    run, _events = init_run(fake)
    with helped(fake) as node:
        assert prepare.missing(node, run.configuration).keys() >= {"runtime"}
        assert node.round_trips == 1


def test_roles_are_not_run_where_ansible_is_not() -> None:
    run, _events = init_run(FakeNode(name="n1", remote=True))
    with pytest.raises(PhaseError, match=r"n1 is not prepared: .*there is no kubelet.*run the roles on it first"):
        prepare.apply(run)


def test_a_bug_of_the_helper_is_no_silence() -> None:
    with helped(FakeNode()) as node, pytest.raises(RuntimeError, match="the helper on fake failed"):
        node._call("no-such-call")


def test_a_connection_that_ended_is_an_error_for_whoever_asks() -> None:
    with helped(FakeNode()) as node:
        node.close()
        with pytest.raises(NodeError, match="lost"):
            node.read("/a")


def test_what_is_sent_is_the_helper_and_no_more() -> None:
    """All that it imports, in the syntax of Python 3.9; the contract tests run it."""
    imported: set[str] = set()
    for name in MODULES:
        tree = ast.parse(_file(name).read_text(), feature_version=(3, 9))
        for found in ast.walk(tree):
            if isinstance(found, ast.ImportFrom) and str(found.module).startswith("pykubeadm"):
                names = {f"{found.module}.{alias.name}" for alias in found.names}
                imported |= {str(found.module), *(name for name in names if _file(name).exists())}
    assert imported <= set(MODULES)
    assert len(payload("n1")) < 40_000


def _file(module: str) -> Path:
    place = Path(pykubeadm.__file__).parents[1] / module.replace(".", "/")
    return place / "__init__.py" if place.is_dir() else place.with_suffix(".py")
