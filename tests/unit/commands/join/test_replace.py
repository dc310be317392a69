"""`node replace`: the dead control plane leaves as soon as the new one may see to it, and a living one never."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from pykubeadm.commands.join import replace as replacing
from pykubeadm.commands.join.phases import PHASES
from pykubeadm.commands.join.run import JoinRun
from pykubeadm.commands.join.trust import Trust
from pykubeadm.config.host import HostFacts
from pykubeadm.config.model import (
    APIEndpoint,
    ClusterConfiguration,
    Configuration,
    JoinConfiguration,
    JoinControlPlane,
    NodeRegistration,
    ThisNode,
)
from pykubeadm.errors import PreflightError
from pykubeadm.node.journal import Journal
from pykubeadm.node.port import File
from tests.support.api import FakeApi
from tests.support.node import FakeNode
from tests.unit.phases.test_leaving import NAMES, Etcd
from tests.unit.phases.test_leaving import node as cluster_node

BOOT = "/proc/sys/kernel/random/boot_id"
CHECK, REPLACE = (phase for phase in replacing.replacing() if phase.name in ("check-replaced", "replace"))


@pytest.fixture
def run() -> JoinRun:
    node, api = FakeNode(), FakeApi()
    node.put(BOOT, "boot-new")
    node.put("/etc/machine-id", "machine-new")
    for number, name in enumerate(NAMES, 1):
        api.put(cluster_node(name, f"10.0.0.{number}", ready=name != "cp1"))
    endpoint = APIEndpoint(advertise_address="10.0.0.4")
    return JoinRun(
        configuration=Configuration(
            ClusterConfiguration(kubernetes_version="v1.36.2", control_plane_endpoint="api.example:6443"),
            ThisNode(node_registration=NodeRegistration(name="cp4"), local_api_endpoint=endpoint),
        ),
        node=node,
        host=HostFacts("cp4"),
        journal=Journal(node),
        emit=lambda _event: None,
        now=lambda: datetime(2026, 1, 2, tzinfo=UTC),
        api=api,
        join=JoinConfiguration(control_plane=JoinControlPlane(local_api_endpoint=endpoint)),
        trust=Trust({}, {}, "u", "here"),
        bootstrap_api=api,
        replaces="cp1",
    )


@pytest.fixture(autouse=True)
def etcd(monkeypatch: pytest.MonkeyPatch) -> Etcd:
    found = Etcd(ailing=("cp1",))
    monkeypatch.setattr(replacing, "_client", lambda _run: found)
    return found


def check(run: JoinRun) -> None:
    assert CHECK.verify is not None
    CHECK.verify(run)


def replaced(run: JoinRun) -> list[str]:
    assert REPLACE.apply is not None
    return list(REPLACE.apply(run))


def names(run: JoinRun) -> list[str]:
    assert run.api is not None
    return [found["metadata"]["name"] for found in run.api.list("v1", "Node")]


def test_it_happens_once_there_are_credentials_and_before_etcd_takes_a_member() -> None:
    order = [phase.name for phase in replacing.replacing()]
    assert order[0] == "check-replaced"
    assert order.index("control-plane-prepare") < order.index("replace") == order.index("check-etcd") - 1
    assert [name for name in order if name not in ("check-replaced", "replace")] == [phase.name for phase in PHASES]


def test_a_dead_one_leaves(run: JoinRun, etcd: Etcd) -> None:
    check(run)
    changes = replaced(run)
    assert etcd.removed == [1]
    assert changes[-1] == "deleted Node cp1"
    assert names(run) == ["cp2", "cp3"]


def test_one_that_is_alive_stays(run: JoinRun, etcd: Etcd) -> None:
    run.replaces = "cp2"
    with pytest.raises(PreflightError, match=r"node cp2 is Ready, so it is not dead: .*nothing was changed"):
        check(run)
    assert etcd.removed == []


def test_a_name_that_nobody_has_is_refused(run: JoinRun) -> None:
    run.replaces = "cp9"
    with pytest.raises(PreflightError, match="the cluster knows no node cp9"):
        check(run)


def test_a_run_that_was_interrupted_after_it_left_goes_on(run: JoinRun, etcd: Etcd) -> None:
    check(run)
    replaced(run)
    etcd.known = etcd.known[1:]
    run.journal.will_write([File("/etc/kubernetes/admin.conf", b"")])
    check(run)
    assert replaced(run) == []


def test_a_machine_of_the_same_name_is_not_taken_for_the_dead_one(run: JoinRun, etcd: Etcd) -> None:
    """It has joined by an earlier run."""
    found = cluster_node("cp1", "10.0.0.1")
    found["status"]["nodeInfo"] = {"bootID": "boot-new", "machineID": "machine-new"}
    assert isinstance(run.api, FakeApi)
    run.api.put(found)
    check(run)
    assert replaced(run) == []
    assert etcd.removed == []


def test_the_majority_is_guarded(run: JoinRun, etcd: Etcd) -> None:
    etcd.ailing = ("cp2",)
    with pytest.raises(PreflightError, match="cannot leave"):
        replaced(run)
    assert names(run) == ["cp1", "cp2", "cp3"]
