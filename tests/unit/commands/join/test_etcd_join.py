"""etcd-join: what is done in etcd and on the node, from whatever an earlier join left."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

import pytest
import yaml

from pykubeadm.commands.join.check_etcd import check_etcd
from pykubeadm.commands.join.etcd_join import etcd_join
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
    Timeouts,
)
from pykubeadm.errors import PhaseError
from pykubeadm.etcd.client import (
    ClusterUnhealthyError,
    EtcdUnreachableError,
    LearnerNotReadyError,
    Member,
    PeerUrlExistsError,
    TooManyLearnersError,
)
from pykubeadm.node.journal import Journal
from pykubeadm.phases.etcd import members as etcd_members
from tests.support.api import FakeApi
from tests.support.node import FakeNode, completed

URL = "https://10.0.0.9:2380"
MANIFEST = "/etc/kubernetes/manifests/etcd.yaml"


def member(number: int, **changes: object) -> Member:
    found = Member(number, f"cp{number}", (f"https://10.0.0.{number}:2380",), (f"https://10.0.0.{number}:2379",))
    return replace(found, **changes)


@dataclass
class FakeEtcd:
    """A cluster of members; ours starts when its manifest is there. `refusals` are raised by the next calls of a method."""

    node: FakeNode
    known: list[Member] = field(default_factory=lambda: [member(1)])
    dead: set[int] = field(default_factory=set)
    refusals: dict[str, list[Exception]] = field(default_factory=dict)
    done: list[str] = field(default_factory=list)

    def members(self) -> tuple[Member, ...]:
        self._refuse("members")
        if MANIFEST in self.node.files:
            self.known = [replace(each, name="cp9") if URL in each.peer_urls and not each.name else each for each in self.known]
        return tuple(self.known)

    def unhealthy(self, members: object) -> dict[int, str]:
        return dict.fromkeys(self.dead, "dead")

    def add_learner(self, url: str) -> tuple[Member, ...]:
        self._refuse("add")
        self.done.append("add")
        self.known.append(Member(99, "", (url,), (), learner=True))
        return tuple(self.known)

    def promote(self, number: int) -> tuple[Member, ...]:
        self._refuse("promote")
        self.done.append("promote")
        self.known = [replace(each, learner=False) if each.id == number else each for each in self.known]
        return tuple(self.known)

    def remove(self, number: int) -> tuple[Member, ...]:
        self._refuse("remove")
        self.done.append(f"remove {number}")
        self.known = [each for each in self.known if each.id != number]
        return tuple(self.known)

    def _refuse(self, method: str) -> None:
        if self.refusals.get(method):
            raise self.refusals[method].pop(0)


@pytest.fixture
def node() -> FakeNode:
    return FakeNode(commands={"mv": completed()})


@pytest.fixture
def etcd(node, monkeypatch) -> FakeEtcd:
    found = FakeEtcd(node)
    monkeypatch.setattr(etcd_members, "etcd_client", lambda _run: found)
    return found


@pytest.fixture
def run(node) -> JoinRun:
    registration = NodeRegistration(name="cp9", cri_socket="unix:///run/x.sock")
    endpoint = APIEndpoint(advertise_address="10.0.0.9")
    timeouts = Timeouts(etcd_api_call=timedelta(seconds=1))
    return JoinRun(
        configuration=Configuration(
            ClusterConfiguration(kubernetes_version="v1.36.2"),
            ThisNode(node_registration=registration, local_api_endpoint=endpoint, timeouts=timeouts),
        ),
        node=node,
        host=HostFacts("cp9"),
        journal=Journal(node),
        emit=lambda _event: None,
        now=lambda: datetime(2026, 1, 2, tzinfo=UTC),
        api=FakeApi(),
        join=JoinConfiguration(control_plane=JoinControlPlane(local_api_endpoint=endpoint)),
        trust=Trust({}, {}, "u", "here"),
        bootstrap_api=FakeApi(),
    )


def initial_cluster(node: FakeNode) -> dict[str, str]:
    command = yaml.safe_load(node.text(MANIFEST))["spec"]["containers"][0]["command"]
    flags = dict(word.lstrip("-").partition("=")[::2] for word in command[1:])
    assert flags["initial-cluster-state"] == "existing"
    return dict(pair.split("=") for pair in flags["initial-cluster"].split(","))


def test_a_new_member_is_added_started_and_promoted(run, node, etcd):
    changes = etcd_join.apply(run)
    assert etcd.done == ["add", "promote"]
    assert initial_cluster(node) == {"cp1": "https://10.0.0.1:2380", "cp9": URL}
    assert changes[0] == f"added {URL} to etcd's members as a learner"
    assert run.api.get("coordination.k8s.io/v1", "Lease", "pykubeadm-etcd-join", "kube-system")["spec"]["holderIdentity"] == ""
    node.put("/var/lib/etcd/member/snap/db")
    assert etcd_join.check(run) == "this node's etcd member votes already"


def test_a_learner_of_an_earlier_run_is_taken_over(run, node, etcd):
    etcd.known.append(Member(99, "", (URL,), (), learner=True))
    etcd_join.apply(run)
    assert etcd.done == ["promote"]
    assert "cp9" in initial_cluster(node)


def test_a_learner_that_is_not_in_step_yet_is_waited_for(run, etcd):
    etcd.refusals["promote"] = [LearnerNotReadyError("not in sync"), EtcdUnreachableError("leader changed")]
    etcd_join.apply(run)
    assert etcd.done == ["add", "promote"]


def test_an_election_is_waited_for_whatever_is_asked_in_it(run, etcd):
    no_leader = ClusterUnhealthyError("etcdserver: leader changed")
    etcd.refusals["members"] = [no_leader, no_leader]
    etcd.refusals["promote"] = [no_leader]
    answers = iter([no_leader, None, *[PeerUrlExistsError("Peer URLs already exists")] * 2])

    def add(url: str) -> tuple[Member, ...]:
        answer = next(answers)
        if answer is None:  # added, and the answer is lost
            etcd.known.append(Member(99, "", (url,), (), learner=True))
            etcd.refusals["members"] = [no_leader]
            raise EtcdUnreachableError("no answer within 5 s")
        raise answer

    etcd.add_learner = add
    etcd_join.apply(run)
    assert etcd.done == ["promote"]


def test_a_majority_that_is_not_healthy_yet_is_waited_for(run, etcd):
    looks = iter([{1: "it sees no leader"}, {}])
    etcd.unhealthy = lambda _members: next(looks)
    check_etcd.verify(run)
    etcd.unhealthy = lambda _members: {1: "dead"}
    with pytest.raises(PhaseError, match=r"only 0 of its 1 voting members are healthy.*member cp1 1 at .*: dead"):
        check_etcd.verify(run)


def test_members_that_the_majority_can_do_without_are_only_reported(run, etcd):
    etcd.known += [member(2), member(3)]
    etcd.dead = {3}
    reported = []
    run.emit = reported.append
    check_etcd.verify(run)
    assert [event.message for event in reported] == ["etcd's member cp3 3 at https://10.0.0.3:2380 is not healthy: dead"]


def test_another_tools_learner_is_waited_for(run, etcd):
    etcd.refusals["add"] = [TooManyLearnersError("too many learner members in cluster")]
    etcd_join.apply(run)
    assert etcd.done == ["add", "promote"]


def test_a_learner_that_stays_is_named(run, etcd):
    etcd.known.append(Member(171, "", ("https://10.0.0.7:2380",), (), learner=True))
    etcd.refusals["add"] = [TooManyLearnersError("too many learner members in cluster")] * 100_000
    with pytest.raises(PhaseError, match=r"it is learner \(never started\) ab at https://10\.0\.0\.7:2380") as error:
        etcd_join.apply(run)
    assert "etcdctl member remove" in str(error.value)


def test_an_addition_whose_answer_was_lost_is_found_again(run, etcd):
    def lost(_url: str) -> tuple[Member, ...]:
        etcd.known.append(Member(99, "", (URL,), (), learner=True))
        etcd.add_learner = again
        raise EtcdUnreachableError("no answer within 5 s")

    def again(_url: str) -> tuple[Member, ...]:
        raise PeerUrlExistsError("Peer URLs already exists")

    etcd.add_learner = lost
    etcd_join.apply(run)
    assert etcd.done == ["promote"]


def test_a_member_that_lost_its_data_is_replaced(run, etcd):
    etcd.known += [member(2), member(9)]
    etcd.dead = {9}
    etcd.refusals["remove"] = [ClusterUnhealthyError("unhealthy cluster")]
    changes = etcd_join.apply(run)
    assert etcd.done == ["remove 9", "add", "promote"]
    assert "which this node left behind earlier" in changes[0]


def test_data_of_a_removed_membership_is_put_aside_first(run, node, etcd):
    node.put("/var/lib/etcd/member/snap/db")
    etcd_join.apply(run)
    moved = next(command for command in node.ran if command.argv[0] == "mv")
    assert moved.argv[-2:] == ("/var/lib/etcd/member", "/var/lib/etcd/member-removed-20260102T000000Z")
    assert etcd.done == ["add", "promote"]


def test_a_member_that_runs_keeps_its_manifest(run, node, etcd):
    etcd.known.append(Member(99, "cp9", (URL,), ("https://10.0.0.9:2379",), learner=True))
    node.put(MANIFEST, "as it was")
    node.put("/var/lib/etcd/member/snap/db")
    etcd_join.apply(run)
    assert node.text(MANIFEST) == "as it was"
    assert etcd.done == ["promote"]


def test_workers_and_external_etcd_have_no_member(run):
    assert etcd_join.when(run)
    run.join = replace(run.join, control_plane=None)
    assert not etcd_join.when(run)
