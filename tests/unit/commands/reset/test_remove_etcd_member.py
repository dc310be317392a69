"""Which member leaves etcd, when it must not, and what is said where it cannot."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import pytest

from pykubeadm.commands.reset import remove_etcd_member as phase
from pykubeadm.commands.reset.command import reset
from pykubeadm.commands.reset.phases import PHASES
from pykubeadm.errors import MemberRemainsError, PhaseError, PykubeadmError
from pykubeadm.etcd.client import ClusterUnhealthyError, EtcdError, EtcdUnreachableError, Member, MemberNotFoundError
from pykubeadm.kube import waits
from pykubeadm.node.port import Completed
from pykubeadm.node.recording import RecordingNode
from pykubeadm.phases.etcd import manifest as own_files
from pykubeadm.workflow.events import Note, PhaseFailed, PhaseFinished, Result, RunFinished
from pykubeadm.workflow.phase import steps, without
from pykubeadm.workflow.runner import run_steps
from tests.support.reset_runs import ETCD, ClusterNode, bare_node, control_plane, reset_run

OWN = "https://10.0.0.1:2379"


def member(number: int, **changes: Any) -> Member:
    return Member(
        **{
            "id": number,
            "name": f"cp{number}",
            "peer_urls": (f"https://10.0.0.{number}:2380",),
            "client_urls": (f"https://10.0.0.{number}:2379",),
        }
        | changes
    )


@dataclass
class FakeEtcd:
    """A cluster that answers at the client URLs of the members in `known` that are not `dead`."""

    known: list[Member]
    dead: set[int] = field(default_factory=set)
    refusals: list[EtcdError] = field(default_factory=list)
    endpoints: tuple[str, ...] = (OWN,)
    removed_at: list[tuple[str, ...]] = field(default_factory=list)

    def at(self, endpoints: Sequence[str]) -> FakeEtcd:
        return FakeEtcd(self.known, self.dead, self.refusals, tuple(endpoints), self.removed_at)

    def members(self) -> tuple[Member, ...]:
        self._answer()
        if (len(self.known) - len(self.dead)) * 2 <= len(self.known):
            raise ClusterUnhealthyError("etcdserver: no leader")
        return tuple(self.known)

    def unhealthy(self, members: Sequence[Member]) -> dict[int, str]:
        return {each.id: "it does not answer" for each in members if each.id in self.dead}

    def remove(self, number: int) -> tuple[Member, ...]:
        if self.refusals:
            raise self.refusals.pop(0)
        self._answer()
        self.removed_at.append(self.endpoints)
        if number not in {each.id for each in self.known}:
            raise MemberNotFoundError("member not found")
        self.known[:] = [each for each in self.known if each.id != number]
        return tuple(self.known)

    def _answer(self) -> None:
        alive = [url for each in self.known if each.id not in self.dead for url in each.client_urls]
        if not set(self.endpoints) & set(alive):
            raise EtcdUnreachableError(f"etcd at {', '.join(self.endpoints)} cannot be reached")


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(phase, "_ANSWER", 0.05)
    monkeypatch.setattr(waits, "_ASK_EVERY", 0.0)


def leave(
    etcd: FakeEtcd, monkeypatch: pytest.MonkeyPatch, node: ClusterNode | None = None, *, initial: str = "", **fields: Any
) -> tuple[list[str], list[Any]]:
    """The changes, and the events."""
    node = node or control_plane()
    if initial:
        manifest = ETCD.replace("--initial-cluster=", f"--initial-cluster={initial},")
        node.put("/etc/kubernetes/manifests/etcd.yaml", manifest)
    run, events = reset_run(node, **fields)
    others = [url.replace("2380", "2379") for url in (run.found.etcd.initial_cluster.values() if run.found.etcd else ())]
    monkeypatch.setattr(own_files, "own_client", lambda _node, _manifest: etcd.at(list(dict.fromkeys([OWN, *others]))))
    assert phase.remove_etcd_member.apply is not None
    return list(phase.remove_etcd_member.apply(run)), events


def has_on_disk(node: ClusterNode, *members: Member) -> None:
    described = (
        f'{{"id":{each.id},"peerURLs":["{each.peer_urls[0]}"],"name":"{each.name}","clientURLs":["{each.client_urls[0]}"]}}\n'
        for each in members
    )
    node.commands["grep -aoE"] = Completed(0, "".join(described))


def test_a_worker_and_a_control_plane_with_external_etcd_have_no_member() -> None:
    assert not phase.remove_etcd_member.when(reset_run(bare_node())[0])


def test_the_others_are_asked_to_remove_it(monkeypatch: pytest.MonkeyPatch) -> None:
    etcd = FakeEtcd([member(1), member(2), member(3)])
    changes, _events = leave(etcd, monkeypatch)
    assert changes == ["removed etcd's member cp1 1 at https://10.0.0.1:2380"]
    assert [each.id for each in etcd.known] == [2, 3]
    assert etcd.removed_at == [("https://10.0.0.2:2379", "https://10.0.0.3:2379")]


def test_the_last_member_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    etcd = FakeEtcd([member(1)])
    changes, events = leave(etcd, monkeypatch)
    assert changes == []
    assert [event for event in events if isinstance(event, Note) and "last member" in event.message]
    assert etcd.removed_at == []


@pytest.mark.parametrize(("members", "ended"), [((1,), True), ((1, 2, 3), False)])
def test_at_the_end_it_is_said_whether_there_is_still_a_cluster(
    monkeypatch: pytest.MonkeyPatch, members: tuple[int, ...], ended: bool
) -> None:
    etcd, events = FakeEtcd([member(number) for number in members]), list[Any]()
    monkeypatch.setattr(own_files, "own_client", lambda *_given: etcd)
    options = {"force": True, "ignore_preflight_errors": ("all",)}
    reset(options, events.append, confirm=lambda: False, choose=partial(without, PHASES), machine=control_plane())
    [text] = [event.text for event in events if isinstance(event, Result) and event.name == "reset"]
    assert ("which has ended with it" in text, "kubectl delete node" in text) == (ended, not ended)


def test_one_that_was_removed_before_is_no_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    etcd = FakeEtcd([member(2), member(3)])
    assert leave(etcd, monkeypatch, initial="cp2=https://10.0.0.2:2380")[0] == []


def test_those_that_came_later_are_found_in_the_database_of_a_member_that_stands(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first control plane, whose manifest knows nobody else."""
    etcd, node = FakeEtcd([member(1), member(2), member(3)], dead={1}), control_plane()
    has_on_disk(node, *etcd.known)
    leave(etcd, monkeypatch, node)
    assert [each.id for each in etcd.known] == [2, 3]


def test_the_only_member_may_be_dead(monkeypatch: pytest.MonkeyPatch) -> None:
    node = control_plane()
    has_on_disk(node, member(1))
    changes, events = leave(FakeEtcd([member(1)], dead={1}), monkeypatch, node)
    assert changes == []
    assert [event for event in events if isinstance(event, Note) and "only member" in event.message]


def test_an_etcd_that_never_ran_is_nobodys_member(monkeypatch: pytest.MonkeyPatch) -> None:
    node = control_plane()
    node.remove(["/var/lib/etcd/member", "/etc/kubernetes/admin.conf"])
    assert leave(FakeEtcd([]), monkeypatch, node)[0] == []


def test_a_learner_that_never_ran_is_removed(monkeypatch: pytest.MonkeyPatch) -> None:
    node = control_plane()
    node.remove(["/var/lib/etcd/member"])
    etcd = FakeEtcd([member(1, name="", client_urls=(), learner=True), member(2)])
    leave(etcd, monkeypatch, node, initial="cp2=https://10.0.0.2:2380")
    assert [each.id for each in etcd.known] == [2]


def test_a_dead_cluster_is_said_to_count_on_the_member(monkeypatch: pytest.MonkeyPatch) -> None:
    etcd = FakeEtcd([member(1), member(2)], dead={2})
    with pytest.raises(MemberRemainsError, match=r"member cp1 \(https://10.0.0.1:2380\) could not be removed: .*no leader"):
        leave(etcd, monkeypatch, initial="cp2=https://10.0.0.2:2380")


def test_a_refusal_is_no_sign_of_being_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """A first control plane without data knows nobody else; that etcd refuses is an answer of another kind."""
    node = control_plane()
    node.remove(["/var/lib/etcd/member"])
    etcd = FakeEtcd([member(1), member(2), member(3)], refusals=[EtcdError("permission denied")])
    with pytest.raises(MemberRemainsError, match="permission denied"):
        leave(etcd, monkeypatch, node)


def test_missing_certificates_are_named() -> None:
    node = control_plane()
    has_on_disk(node, member(1), member(2))
    run, _events = reset_run(node)
    assert phase.remove_etcd_member.apply is not None
    with pytest.raises(MemberRemainsError, match=r"/etc/kubernetes/pki/etcd/ca\.crt.*does not exist"):
        phase.remove_etcd_member.apply(run)


def test_the_majority_is_guarded(monkeypatch: pytest.MonkeyPatch) -> None:
    etcd = FakeEtcd([member(1), member(2), member(3)], dead={3})
    with pytest.raises(PhaseError, match=r"no majority.*--force; nothing was changed") as refused:
        leave(etcd, monkeypatch, force=False)
    assert refused.value.exit_status == 4
    assert len(etcd.known) == 3
    leave(etcd, monkeypatch, force=True)
    assert [each.id for each in etcd.known] == [2, 3]


def test_what_etcd_refuses_for_want_of_a_majority_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    etcd = FakeEtcd([member(1), member(2), member(3)], dead={3}, refusals=[ClusterUnhealthyError("unhealthy cluster")] * 99)
    with pytest.raises(MemberRemainsError, match=r"gave up .*unhealthy cluster.*only 1 would be healthy"):
        leave(etcd, monkeypatch, force=True)
    assert len(etcd.known) == 3


def test_an_election_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    refusals: list[EtcdError] = [ClusterUnhealthyError("etcdserver: leader changed"), MemberNotFoundError("member not found")]
    etcd = FakeEtcd([member(1), member(2)], refusals=refusals)
    assert leave(etcd, monkeypatch)[0]
    assert refusals == []


def test_a_dry_run_only_says_what_it_would_do(monkeypatch: pytest.MonkeyPatch) -> None:
    etcd = FakeEtcd([member(1), member(2)])
    changes, _events = leave(etcd, monkeypatch, RecordingNode(control_plane()))  # type: ignore[arg-type] # reads the same
    assert changes == ["would remove etcd's member cp1 1 at https://10.0.0.1:2380"]
    assert len(etcd.known) == 2


def test_a_member_that_remains_is_a_status_and_an_event_and_no_end(monkeypatch: pytest.MonkeyPatch) -> None:
    node = control_plane()
    etcd = FakeEtcd([member(1), member(2)], dead={2})
    monkeypatch.setattr(own_files, "own_client", lambda _node, _manifest: etcd)
    has_on_disk(node, *etcd.known)
    run, events = reset_run(node)
    with pytest.raises(PykubeadmError) as raised:
        run_steps("reset", "cp1", tuple(steps(PHASES[1:])), run, dry_run=False, recorder=run.journal, emit=events.append)
    assert raised.value.exit_status == 9
    [failed] = [event for event in events if isinstance(event, PhaseFailed)]
    assert (failed.phase, failed.exit_status) == ("remove-etcd-member", 9)
    [finished] = [event for event in events if isinstance(event, PhaseFinished)]
    assert (finished.phase, finished.outcome) == ("cleanup-node", "changed")
    [last] = [event for event in events if isinstance(event, RunFinished)]
    assert (last.outcome, last.exit_status) == ("failed", 9)
    assert node.state() == bare_node().state()
