"""This node's etcd member is added as a learner, started, and promoted when it has caught up.

Only this is done by one node after the other, as etcd takes one learner at a time: a Lease holds the queue. What an
interrupted join left is taken over or removed (`etcd.membership`).
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from pykubeadm.node.port import Command
from pykubeadm.phases.run import ClusterRun
from pykubeadm.util.dataclass import dataclass
from pykubeadm.workflow.phase import Changes

if TYPE_CHECKING:
    from pykubeadm.etcd.client import EtcdClient, Member
    from pykubeadm.etcd.membership import Plan

LEASE: Final = "pykubeadm-etcd-join"
_QUEUE = timedelta(minutes=10)  # for all that are before us; each takes seconds


@dataclass(frozen=True, slots=True)
class Joining:
    """What a member joins as. `start` writes its manifest, for it among the members that there are; `phase` is for reports."""

    phase: str
    peer_url: str
    data_dir: str
    start: Callable[[tuple[Member, ...]], Changes]


def plan_of(run: ClusterRun, joining: Joining, client: EtcdClient) -> tuple[Plan, tuple[Member, ...]]:
    """What has to be done about this node's membership, and the members as they are."""
    from pykubeadm.etcd.membership import plan_membership
    from pykubeadm.phases.etcd.members import members_of

    members = members_of(run, joining.phase, client)
    has_data = has_member_data(run, joining.data_dir)
    unhealthy = client.unhealthy(members)
    return plan_membership(members, unhealthy, name=run.node_name, peer_url=joining.peer_url, has_data=has_data), members


def has_member_data(run: ClusterRun, data_dir: str) -> bool:
    return bool(run.node.list_dir(f"{data_dir}/member"))


def join_etcd(run: ClusterRun, joining: Joining) -> Changes:
    """Have this node's member vote. PhaseError, EtcdError or ApiError where that cannot be."""
    from pykubeadm.kube.lease import held
    from pykubeadm.phases.cluster.connection import admin_api
    from pykubeadm.phases.etcd.members import etcd_client
    from pykubeadm.workflow.events import Waiting

    def report(reason: str) -> None:
        run.emit(Waiting(phase=joining.phase, target="the turn of this node's etcd member", reason=reason))

    client = etcd_client(run)
    with held(admin_api(run), LEASE, run.node_name, timeout=_QUEUE, report=report):
        return join_by(run, joining, client)


def join_by(run: ClusterRun, joining: Joining, client: EtcdClient) -> Changes:
    """The same by way of these members, without a queue in the cluster: etcd's own limit of learners holds one back."""
    from pykubeadm.etcd.membership import Action

    plan, members = plan_of(run, joining, client)
    changes: list[str] = []
    for member in plan.remove:
        members = _remove(run, joining, client, member)
        changes.append(f"removed etcd's {member}, which this node left behind earlier")
    if plan.discard_data:
        changes += put_aside(run, joining.data_dir)
    if plan.action is Action.ADD:
        members = _add(run, joining, client)
        changes.append(f"added {joining.peer_url} to etcd's members as a learner")
    changes += joining.start(members)
    if plan.action is not Action.NOTHING:
        _promote(run, joining, client)
        changes.append("promoted this node's etcd member to a voting one")
    return changes


def _add(run: ClusterRun, joining: Joining, client: EtcdClient) -> tuple[Member, ...]:
    """Tried again while another tool's learner (kubeadm knows no queue) is in the way, or etcd elects a leader."""
    from pykubeadm.etcd.client import PeerUrlExistsError, TooManyLearnersError
    from pykubeadm.phases.etcd.members import wait_for_others

    members: list[Member] = []

    def added() -> str | None:
        try:
            members[:] = client.add_learner(joining.peer_url)
        except PeerUrlExistsError:  # an answer that was lost
            members[:] = client.members()
        except TooManyLearnersError as error:
            learners = ", ".join(str(member) for member in client.members() if member.learner)
            return (
                f"{error}; it is {learners or 'gone by now'}: if that node does not come, remove it with `etcdctl member remove`"
            )
        return None

    wait_for_others(run, joining.phase, "etcd to take a learner", added)
    return tuple(members)


def _remove(run: ClusterRun, joining: Joining, client: EtcdClient, member: Member) -> tuple[Member, ...]:
    """Tried again while etcd elects a leader, or does not yet count enough members as healthy to do without one."""
    from pykubeadm.etcd.client import MemberNotFoundError
    from pykubeadm.phases.etcd.members import wait_for_others

    members: list[Member] = []

    def removed() -> str | None:
        try:
            members[:] = client.remove(member.id)
        except MemberNotFoundError:  # an answer that was lost
            members[:] = client.members()
        return None

    wait_for_others(run, joining.phase, f"etcd to remove {member}", removed)
    return tuple(members)


def _promote(run: ClusterRun, joining: Joining, client: EtcdClient) -> None:
    from pykubeadm.etcd.client import EtcdError, NotALearnerError
    from pykubeadm.phases.waiting import wait

    def votes() -> str | None:
        try:
            ours = next((member for member in client.members() if joining.peer_url in member.peer_urls), None)
            if ours is None:
                return "it is no longer among etcd's members"
            if not ours.learner:
                return None if ours.started else "it has not started yet"
            if not ours.started:
                return "it has not started yet"
            client.promote(ours.id)
        except NotALearnerError:
            return None
        except EtcdError as error:
            return str(error)
        return None

    timeout = run.configuration.this_node.timeouts.etcd_api_call
    wait(run, joining.phase, {"this node's etcd member": votes}, timeout, components=("etcd",))


def put_aside(run: ClusterRun, data_dir: str) -> Changes:
    """Data of a membership that is over would keep etcd from starting; it is kept, as it may be somebody's last copy."""
    data = f"{data_dir}/member"
    aside = f"{data_dir}/member-removed-{run.now():%Y%m%dT%H%M%SZ}"
    run.node.run(Command(("mv", "--", data, aside), "put the data of a removed etcd member aside"))
    return [f"put the data of this node's removed etcd member aside, to {aside}"]
