"""etcd-join: this node's etcd member is added as a learner, started, and promoted when it has caught up.

Only this is done by one node after the other, as etcd takes one learner at a time: a Lease holds the queue. What an
interrupted join left is taken over or removed (`etcd.membership`).
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final

from pykubeadm.commands.join.run import JoinRun
from pykubeadm.constants import MANIFESTS_DIR
from pykubeadm.node.port import Command
from pykubeadm.workflow.phase import Changes, Phase

if TYPE_CHECKING:
    from pykubeadm.etcd.client import EtcdClient, Member
    from pykubeadm.etcd.membership import Plan

LEASE: Final = "pykubeadm-etcd-join"
_NAME = "etcd-join"
_MANIFEST = f"{MANIFESTS_DIR}/etcd.yaml"
_QUEUE = timedelta(minutes=10)  # for all that are before us; each takes seconds


def _has_local_etcd(run: JoinRun) -> bool:
    return run.has_local_etcd


def _data_dir(run: JoinRun) -> str:
    from pykubeadm.config.model import LocalEtcd

    return (run.configuration.cluster.etcd.local or LocalEtcd()).data_dir


def _peer_url(run: JoinRun) -> str:
    from pykubeadm.manifests.addresses import etcd_peer_url

    return etcd_peer_url(run.configuration.this_node.local_api_endpoint.advertise_address)


def _plan(run: JoinRun, client: EtcdClient) -> tuple[Plan, tuple[Member, ...]]:
    from pykubeadm.etcd.membership import plan_membership
    from pykubeadm.phases.etcd.members import members_of

    members = members_of(run, _NAME, client)
    has_data = bool(run.node.list_dir(f"{_data_dir(run)}/member"))
    unhealthy = client.unhealthy(members)
    return plan_membership(members, unhealthy, name=run.node_name, peer_url=_peer_url(run), has_data=has_data), members


def _check(run: JoinRun) -> str | None:
    from pykubeadm.etcd.membership import Action
    from pykubeadm.phases.etcd.members import etcd_client

    if run.dry_run or run.node.stat(_MANIFEST) is None:
        return None
    plan, _members = _plan(run, etcd_client(run))
    return plan.action.value if plan.action is Action.NOTHING and not plan.remove else None


def _apply(run: JoinRun) -> Changes:
    from pykubeadm.kube.lease import held
    from pykubeadm.phases.cluster.connection import admin_api
    from pykubeadm.phases.etcd.members import etcd_client
    from pykubeadm.workflow.events import Waiting

    if run.dry_run:
        return [*_write_manifest(run, ()), f"would add {_peer_url(run)} to etcd's members"]

    def report(reason: str) -> None:
        run.emit(Waiting(phase=_NAME, target="the turn of this node's etcd member", reason=reason))

    client = etcd_client(run)
    with held(admin_api(run), LEASE, run.node_name, timeout=_QUEUE, report=report):
        return _join(run, client)


def _join(run: JoinRun, client: EtcdClient) -> Changes:
    from pykubeadm.etcd.membership import Action

    plan, members = _plan(run, client)
    changes: list[str] = []
    for member in plan.remove:
        members = _remove(run, client, member)
        changes.append(f"removed etcd's {member}, which an earlier life of this node left")
    if plan.discard_data:
        changes += _put_aside(run)
    if plan.action is Action.ADD:
        members = _add(run, client)
        changes.append(f"added {_peer_url(run)} to etcd's members as a learner")
    changes += _write_manifest(run, members)
    if plan.action is not Action.NOTHING:
        _promote(run, client)
        changes.append("promoted this node's etcd member to a voting one")
    return changes


def _add(run: JoinRun, client: EtcdClient) -> tuple[Member, ...]:
    """Tried again while another tool's learner (kubeadm knows no queue) is in the way, or etcd elects a leader."""
    from pykubeadm.etcd.client import PeerUrlExistsError, TooManyLearnersError
    from pykubeadm.phases.etcd.members import wait_for_others

    members: list[Member] = []

    def added() -> str | None:
        try:
            members[:] = client.add_learner(_peer_url(run))
        except PeerUrlExistsError:  # an answer that was lost
            members[:] = client.members()
        except TooManyLearnersError as error:
            learners = ", ".join(str(member) for member in client.members() if member.learner)
            return (
                f"{error}; it is {learners or 'gone by now'}: if that node does not come, remove it with `etcdctl member remove`"
            )
        return None

    wait_for_others(run, _NAME, "etcd to take a learner", added)
    return tuple(members)


def _remove(run: JoinRun, client: EtcdClient, member: Member) -> tuple[Member, ...]:
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

    wait_for_others(run, _NAME, f"etcd to remove {member}", removed)
    return tuple(members)


def _write_manifest(run: JoinRun, members: tuple[Member, ...]) -> Changes:
    from pykubeadm.etcd.membership import initial_cluster
    from pykubeadm.manifests.etcd import NAME, InitialMember, etcd_pod
    from pykubeadm.phases.static_pods.manifests import missing_directory, write_static_pod

    node = run.configuration.this_node
    if members and run.node.stat(_MANIFEST) is not None and run.node.list_dir(f"{_data_dir(run)}/member"):
        return []  # it has started: --initial-cluster no longer means anything, and another text would restart it
    pairs = initial_cluster(members, name=run.node_name, peer_url=_peer_url(run))
    listed = [InitialMember(name, url) for name, url in pairs]
    pod = etcd_pod(run.configuration.cluster, node.local_api_endpoint, run.node_name, node.timeouts, listed)
    made = run.node.write(missing_directory(run.node, _data_dir(run)))
    return [*(f"made {path}" for path in made), *write_static_pod(run, NAME, pod)]


def _promote(run: JoinRun, client: EtcdClient) -> None:
    from pykubeadm.etcd.client import EtcdError, NotALearnerError
    from pykubeadm.phases.waiting import wait

    def votes() -> str | None:
        try:
            ours = next((member for member in client.members() if _peer_url(run) in member.peer_urls), None)
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

    wait(run, _NAME, {"this node's etcd member": votes}, run.configuration.this_node.timeouts.etcd_api_call, components=("etcd",))


def _put_aside(run: JoinRun) -> Changes:
    """Data of a membership that is over would keep etcd from starting; it is kept, as it may be somebody's last copy."""
    data = f"{_data_dir(run)}/member"
    aside = f"{_data_dir(run)}/member-removed-{run.now():%Y%m%dT%H%M%SZ}"
    run.node.run(Command(("mv", "--", data, aside), "put the data of a removed etcd member aside"))
    return [f"put the data of this node's removed etcd member aside, to {aside}"]


etcd_join: Phase[JoinRun] = Phase(
    name=_NAME,
    summary="Add this node's etcd member",
    check=_check,
    apply=_apply,
    when=_has_local_etcd,
    flags=("apiserver-advertise-address", "control-plane", "node-name", "patches"),
)
