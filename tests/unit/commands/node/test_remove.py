"""`node remove`: who is drained first, and a machine that dies meanwhile."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from pykubeadm.commands.node import remove as command
from pykubeadm.commands.node.remove import PHASES, RemovalRun
from pykubeadm.config.host import HostFacts
from pykubeadm.errors import PhaseError
from pykubeadm.kube.waits import WaitError
from pykubeadm.node.journal import Journal
from pykubeadm.phases.cluster import drain as drains
from pykubeadm.workflow.events import Event, Note, Result
from pykubeadm.workflow.phase import steps
from pykubeadm.workflow.runner import run_steps
from tests.support.api import FakeApi
from tests.support.init_runs import configuration
from tests.support.node import FakeNode
from tests.unit.phases.test_leaving import NAMES, Etcd
from tests.unit.phases.test_leaving import node as cluster_node


@pytest.fixture
def etcd(monkeypatch: pytest.MonkeyPatch) -> Etcd:
    found = Etcd()
    monkeypatch.setattr(command, "_client", lambda _run: found)
    return found


@pytest.fixture
def api() -> FakeApi:
    made = FakeApi()
    for number, name in enumerate(NAMES, 1):
        made.put(cluster_node(name, f"10.0.0.{number}"))
    return made


def perform(api: FakeApi, name: str) -> list[Event]:
    events: list[Event] = []
    node = FakeNode()
    run = RemovalRun(
        configuration=configuration(node="cp2"),
        node=node,
        host=HostFacts("cp2"),
        journal=Journal(node),
        emit=events.append,
        now=lambda: datetime(2026, 1, 2, tzinfo=UTC),
        api=api,
        leaves=name,
        drain_timeout=timedelta(minutes=5),
        delete_emptydir_data=False,
    )
    run_steps("node remove", "cp2", tuple(steps(PHASES)), run, dry_run=False, recorder=run.journal, emit=events.append)
    return events


def test_one_that_is_alive_is_drained_and_told_to_be_reset(api: FakeApi, etcd: Etcd) -> None:
    events = perform(api, "cp3")
    assert api.writes[0] == ("patch", "Node", "cp3")  # cordoned
    assert etcd.removed == [3]
    (result,) = [event for event in events if isinstance(event, Result)]
    assert "It still runs: `pykubeadm reset` there" in result.text


def test_one_that_is_dead_ends_no_pods(api: FakeApi, etcd: Etcd) -> None:
    api.put(cluster_node("cp3", "10.0.0.3", ready=False))
    perform(api, "cp3")
    assert ("patch", "Node", "cp3") not in api.writes
    assert etcd.removed == [3]


def test_the_pods_of_one_that_died_just_now_are_not_waited_for(api: FakeApi, etcd: Etcd, monkeypatch: pytest.MonkeyPatch) -> None:
    """It counts as Ready for most of a minute."""
    turns: list[timedelta] = []

    def drain(_api: FakeApi, _name: str, timeout: timedelta, **_options: object) -> None:
        turns.append(timeout)
        if len(turns) == 3:
            api.put(cluster_node("cp3", "10.0.0.3", ready=False))
        error = WaitError({"node cp3 to be empty": "a pod does not end"}, timeout.total_seconds())
        raise PhaseError(str(error)) from error

    monkeypatch.setattr(drains, "drain", drain)
    events = perform(api, "cp3")
    assert len(turns) == 3
    assert "cp3 is no longer Ready: its pods go with its Node" in [event.message for event in events if isinstance(event, Note)]
    assert etcd.removed == [3]


def test_pods_that_must_not_be_evicted_stop_it_before_anything_is_removed(api: FakeApi, etcd: Etcd) -> None:
    metadata = {"name": "naked", "namespace": "default", "uid": "u"}
    api.put({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": {"nodeName": "cp3"}})
    with pytest.raises(PhaseError, match="default/naked: no controller would make it again"):
        perform(api, "cp3")
    assert (etcd.removed, api.writes) == ([], [])
