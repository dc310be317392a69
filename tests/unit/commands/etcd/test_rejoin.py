"""`etcd rejoin`, `stop` and `start`: the other control planes, before and after one of them was restored."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest
import yaml

from pykubeadm.commands.etcd import rejoin, standby
from pykubeadm.commands.etcd.rejoin import PHASES as REJOIN
from pykubeadm.commands.etcd.run import EtcdRun
from pykubeadm.commands.etcd.standby import START, STOP
from pykubeadm.errors import PhaseError
from pykubeadm.etcd.client import EtcdClient, EtcdUnreachableError, Member, Status
from pykubeadm.phases.etcd import members as etcd_members
from pykubeadm.phases.etcd.manifest import own_client
from pykubeadm.phases.static_pods import stopped
from pykubeadm.workflow.phase import Phase, steps
from pykubeadm.workflow.runner import run_steps
from tests.support.api import FakeApi
from tests.support.etcd_runs import MANIFESTS, PEERS, ControlPlaneNode, etcd_run
from tests.support.init_runs import warnings

EVERYTHING = ["etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler"]
DATA = "/var/lib/etcd/member/snap/db"
OTHER = Member(7, "cp2", ("https://10.0.0.2:2380",), ("https://10.0.0.2:2379",))
OWN = Member(9, "cp1", ("https://10.0.0.9:2380",), ("https://10.0.0.9:2379",))


class Restored(EtcdClient):
    """The etcd of the others, once one of them was restored: this node's data are of the former one."""

    def __init__(self, node: ControlPlaneNode, members: Sequence[Member] = (OTHER,)) -> None:
        super().__init__(["https://10.0.0.2:2379"], None)
        self.node, self.known, self.dead = node, list(members), False
        self.removed: list[int] = []
        self.own_votes = False  # this node's member runs and is one of these

    def at(self, endpoints: Sequence[str]) -> EtcdClient:
        return self

    def members(self, *, agreed: bool = True) -> tuple[Member, ...]:
        if self.dead:
            raise EtcdUnreachableError("connection refused")
        if "etcd" in self.node.running:  # the learner starts, and is known by its name
            self.known = [replace(member, name=member.name or OWN.name) for member in self.known]
        return tuple(self.known)

    def unhealthy(self, members: Sequence[Member]) -> dict[int, str]:
        return {} if self.own_votes else {OWN.id: "connection refused"}

    def remove(self, member_id: int) -> tuple[Member, ...]:
        self.removed.append(member_id)
        self.known = [member for member in self.known if member.id != member_id]
        return tuple(self.known)

    def status(self, endpoint: str) -> Status:
        if not self.own_votes:
            raise EtcdUnreachableError("connection refused")
        return Status(OWN.id, "3.6.8", OTHER.id, learner=False)

    def add_learner(self, peer_url: str) -> tuple[Member, ...]:
        assert self.node.read(DATA) is None, "the former data would contradict the new etcd"
        assert self.node.running == []
        self.known.append(Member(OWN.id, "", (peer_url,), (), learner=True))
        return tuple(self.known)

    def promote(self, member_id: int) -> tuple[Member, ...]:
        self.known = [OWN if member.id == member_id else member for member in self.known]
        self.node.put(DATA, "of the new etcd")
        self.own_votes = True
        return tuple(self.known)


@pytest.fixture
def node() -> ControlPlaneNode:
    return ControlPlaneNode(members=PEERS)


@pytest.fixture(autouse=True)
def etcd(node: ControlPlaneNode, monkeypatch: pytest.MonkeyPatch) -> Restored:
    found = Restored(node)
    monkeypatch.setattr(rejoin, "own_client", lambda _node, _manifest: found)
    monkeypatch.setattr(standby, "own_client", lambda _node, _manifest: found)
    monkeypatch.setattr(etcd_members, "etcd_client", lambda _run: found)
    monkeypatch.setattr(stopped, "component_health", lambda _run, _name: lambda: None)
    monkeypatch.setattr(stopped, "healthy_again", lambda _run, _name, healthy: healthy())
    return found


def perform(node: ControlPlaneNode, phases: Sequence[Phase[EtcdRun]]) -> bool:
    run, _events = etcd_run(node)
    run.api = FakeApi()
    return run_steps("etcd", "cp1", tuple(steps(phases)), run, dry_run=False, recorder=run.journal, emit=run.emit)


def flags(node: ControlPlaneNode) -> list[str]:
    (container,) = yaml.safe_load(node.text(f"{MANIFESTS}/etcd.yaml"))["spec"]["containers"]
    return [word for word in container["command"] if word.startswith("--initial-cluster")]


def test_what_is_stopped_starts_as_it_was(node: ControlPlaneNode, etcd: Restored) -> None:
    etcd.dead = True
    before = {name: node.text(f"{MANIFESTS}/{name}.yaml") for name in EVERYTHING}
    assert perform(node, STOP)
    assert node.running == []
    assert not perform(node, STOP)
    assert perform(node, START)
    assert {name: node.text(f"{MANIFESTS}/{name}.yaml") for name in EVERYTHING} == before
    assert node.text(DATA) == "former"
    assert not perform(node, START)


def test_without_its_certificates_it_starts_unasked(node: ControlPlaneNode, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(standby, "own_client", own_client)
    perform(node, STOP)
    run, events = etcd_run(node)
    run_steps("etcd", "cp1", tuple(steps(START)), run, dry_run=False, recorder=run.journal, emit=run.emit)
    assert sorted(node.running) == sorted(EVERYTHING)
    (note,) = warnings(events)
    assert note.startswith("whether etcd was restored elsewhere is not known: /etc/kubernetes/pki/etcd/")


def test_a_new_data_directory_is_that_of_the_user_who_runs_etcd(node: ControlPlaneNode) -> None:
    """The feature gate RootlessControlPlane."""
    pod = yaml.safe_load(node.text(f"{MANIFESTS}/etcd.yaml"))
    pod["spec"]["securityContext"] |= {"runAsUser": 2001, "runAsGroup": 2002}
    node.put(f"{MANIFESTS}/etcd.yaml", yaml.safe_dump(pod))
    node.remove(["/var/lib/etcd"])
    perform(node, REJOIN)
    stat = node.stat("/var/lib/etcd")
    assert stat is not None
    assert (stat.mode, stat.uid, stat.gid) == (0o700, 2001, 2002)


def test_what_others_have_replaced_does_not_start_again(node: ControlPlaneNode) -> None:
    perform(node, STOP)
    with pytest.raises(PhaseError, match=r"etcd was restored elsewhere \(member cp2 7 .*run `pykubeadm etcd rejoin` here"):
        perform(node, START)
    assert node.running == []


def test_a_stopped_member_joins_what_was_restored_elsewhere(node: ControlPlaneNode) -> None:
    perform(node, STOP)
    assert perform(node, REJOIN)
    assert node.running == EVERYTHING
    assert flags(node) == [
        "--initial-cluster-state=existing",
        "--initial-cluster=cp2=https://10.0.0.2:2380,cp1=https://10.0.0.9:2380",
    ]
    (aside,) = [name for name in node.list_dir("/var/lib/etcd") if name.startswith("member-removed-")]
    assert node.text(f"/var/lib/etcd/{aside}/snap/db") == "former"
    assert node.list_dir(stopped.DIRECTORY) == ()


def test_one_that_still_runs_is_stopped_first(node: ControlPlaneNode) -> None:
    assert perform(node, REJOIN)
    assert node.running == EVERYTHING


def test_one_whose_data_are_lost_joins_again(node: ControlPlaneNode) -> None:
    node.remove(["/var/lib/etcd"])
    assert perform(node, REJOIN)
    assert not [name for name in node.list_dir("/var/lib/etcd") if name.startswith("member-removed-")]


def test_one_that_began_again_without_its_data_joins_as_another(node: ControlPlaneNode, etcd: Restored) -> None:
    """etcd still counts on it, and it ends at once with what it has."""
    etcd.known = [OTHER, OWN]
    assert perform(node, REJOIN)
    assert etcd.removed == [OWN.id]
    assert node.running == EVERYTHING
    assert [name for name in node.list_dir("/var/lib/etcd") if name.startswith("member-removed-")]


def test_one_that_was_stopped_by_us_goes_on_with_its_data(node: ControlPlaneNode, etcd: Restored) -> None:
    perform(node, STOP)
    etcd.known = [OTHER, OWN]
    assert perform(node, REJOIN)
    assert (etcd.removed, node.text(DATA)) == ([], "former")


def test_a_member_that_votes_stays_as_it_is(node: ControlPlaneNode, etcd: Restored) -> None:
    etcd.known, etcd.own_votes = [OTHER, OWN], True
    assert not perform(node, REJOIN)
    assert node.text(DATA) == "former"


def test_one_whose_log_is_on_a_disk_of_its_own_is_not_stopped(node: ControlPlaneNode) -> None:
    node.give_flag("--wal-dir=/srv/wal")
    with pytest.raises(PhaseError, match="keeps its log in /srv/wal"):
        perform(node, REJOIN)
    assert node.running == EVERYTHING


def test_where_there_is_nothing_to_join_nothing_is_stopped(node: ControlPlaneNode, etcd: Restored) -> None:
    etcd.dead = True
    with pytest.raises(PhaseError, match=r"no etcd that this node could join: connection refused; restore or recover"):
        perform(node, REJOIN)
    assert node.running == EVERYTHING


@pytest.mark.parametrize("phase", ["stop", "etcd-join", "control-plane"])
def test_a_run_that_was_killed_goes_on(node: ControlPlaneNode, phase: str) -> None:
    names = [each.name for each in REJOIN]
    perform(node, REJOIN[: names.index(phase) + 1])
    perform(node, REJOIN)
    assert node.running == EVERYTHING
