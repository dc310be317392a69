"""ansible-playbook is really run, on this machine, with a playbook that changes nothing."""

from __future__ import annotations

import pytest

from pykubeadm.ansible.playbook import run_playbook
from pykubeadm.ansible.results import TaskEnded, TaskStarted
from pykubeadm.ansible.workspace import workspace
from pykubeadm.errors import NodeError


def test_events_and_sums():
    events = []
    with workspace({}, host_name="n1") as space:
        summary = run_playbook(space, "facts", events.append)
    assert isinstance(events[0], TaskStarted)
    [ended] = [event for event in events if isinstance(event, TaskEnded)]
    assert (ended.host, ended.outcome) == ("n1", "ok")
    assert ended.facts["cpus"] > 0
    assert (summary.hosts["n1"].calls, summary.hosts["n1"].changed) == (1, 0)


def test_an_inventory_that_cannot_be_read(tmp_path):
    broken = tmp_path / "hosts.yml"
    broken.write_text("all: [\n")
    with workspace({}, (str(broken),)) as space, pytest.raises(NodeError, match=r"hosts\.yml"):
        run_playbook(space, "facts", lambda _event: None)


def test_a_limit_that_matches_nothing(tmp_path):
    hosts = tmp_path / "hosts.yml"
    hosts.write_text("all: {hosts: {a: {}}}\n")
    with workspace({}, (str(hosts),)) as space, pytest.raises(NodeError, match='no node of the inventory matches "b"'):
        run_playbook(space, "facts", lambda _event: None, limit="b")
