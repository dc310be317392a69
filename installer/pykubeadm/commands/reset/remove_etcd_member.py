"""remove-etcd-member: this node's member leaves etcd, while etcd has a majority (kubeadm: cmd/phases/reset/removeetcdmember.go).

The data directory is emptied by cleanup-node, when nothing has it open any more.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pykubeadm.commands.reset.run import ResetRun
from pykubeadm.workflow.phase import Changes, Phase

if TYPE_CHECKING:
    from pykubeadm.etcd.client import EtcdClient, Member
    from pykubeadm.phases.etcd.manifest import EtcdManifest

_NAME: Final = "remove-etcd-member"
_ANSWER: Final = 15.0  # seconds for the members to agree who they are: an election takes one or two


def _has_member(run: ResetRun) -> bool:
    return run.found.etcd is not None


def _apply(run: ResetRun) -> Changes:
    from pykubeadm.errors import MemberRemainsError, NodeError
    from pykubeadm.etcd.client import EtcdError
    from pykubeadm.kube.waits import WaitError

    manifest = run.found.etcd
    if manifest is None:
        return []
    try:
        return _leave(run, manifest)
    except (EtcdError, WaitError, NodeError) as error:
        raise MemberRemainsError(
            f"this node's etcd member {manifest.name} ({', '.join(manifest.peer_urls)}) could not be removed: {error}; if other "
            "control planes are left, remove it there: `etcdctl member list`, then `etcdctl member remove ID`"
        ) from error


def _leave(run: ResetRun, manifest: EtcdManifest) -> Changes:
    from pykubeadm.errors import NodeError
    from pykubeadm.etcd.client import EtcdError
    from pykubeadm.kube.waits import WaitError

    try:
        client, members = _ask(run, manifest)
    except (EtcdError, WaitError, NodeError):
        if not _is_alone(run, manifest):
            raise
        run.note("info", f"etcd does not answer, and {manifest.name} is its only member: nobody counts on it", topic=_NAME)
        return []
    member = _own(run, manifest, client, members)
    return [] if member is None else _remove(run, client, members, member)


def _ask(run: ResetRun, manifest: EtcdManifest) -> tuple[EtcdClient, tuple[Member, ...]]:
    """The members of etcd, and a client of those that answered: those that were there when this member was added, else those that
    came later."""
    from pykubeadm.etcd.client import EtcdError, EtcdUnreachableError
    from pykubeadm.kube.waits import WaitError
    from pykubeadm.phases.etcd.manifest import members_on_disk, own_client

    client = own_client(run.node, manifest)
    try:
        return client, _members(run, client)
    except (EtcdUnreachableError, WaitError) as error:
        on_disk = members_on_disk(run.node, manifest)
        if on_disk and _is_alone(run, manifest):
            raise
        known = [url for member in on_disk for url in member.client_urls]
        more = [url for url in known or _endpoints_of_pods(run, error) if url not in client.endpoints]
        if not more:
            raise EtcdError(str(error)) from error
        client = client.at(more)
        try:
            return client, _members(run, client)
        except (EtcdError, WaitError) as later:
            raise EtcdError(f"{error}; {later}") from later


def _is_alone(run: ResetRun, manifest: EtcdManifest) -> bool:
    """Whether no other member is known: neither when this one was added, nor to its database by now."""
    from pykubeadm.phases.etcd.manifest import members_on_disk

    others = [name for name in manifest.initial_cluster if name != manifest.name]
    return not others and len(members_on_disk(run.node, manifest)) <= 1


def _endpoints_of_pods(run: ResetRun, failure: Exception) -> tuple[str, ...]:
    """The client URLs of etcd's pods, by the API server that the kubeconfig leads to; raises `failure` where it knows no more."""
    from datetime import timedelta

    from pykubeadm.errors import PykubeadmError
    from pykubeadm.etcd.client import EtcdError
    from pykubeadm.kube.client import ClusterApi
    from pykubeadm.kube.credentials import parse_kubeconfig
    from pykubeadm.phases.etcd.members import etcd_endpoints

    content = run.node.read(run.kubeconfig_path)
    if content is None:
        raise failure
    try:
        credentials = parse_kubeconfig(content, run.kubeconfig_path, run.node.read)
        return etcd_endpoints(ClusterApi(credentials, call_timeout=timedelta(seconds=_ANSWER), route=run.node.route))
    except PykubeadmError as error:
        raise EtcdError(f"{failure}; {error}") from error


def _members(run: ResetRun, client: EtcdClient) -> tuple[Member, ...]:
    """All members, as a majority agrees."""
    from datetime import timedelta

    from pykubeadm.etcd.client import ClusterUnhealthyError
    from pykubeadm.kube.waits import wait_for
    from pykubeadm.workflow.events import Waiting

    found: list[Member] = []

    def answered() -> str | None:
        try:
            found[:] = client.members()
        except ClusterUnhealthyError as error:
            return str(error)
        return None

    def report(target: str, reason: str) -> None:
        run.emit(Waiting(phase=_NAME, target=target, reason=reason))

    wait_for({"etcd's members": answered}, timedelta(seconds=_ANSWER), report=report)
    return tuple(found)


def _own(run: ResetRun, manifest: EtcdManifest, client: EtcdClient, members: tuple[Member, ...]) -> Member | None:
    """This node's member, None where it is no longer one or is the last. PhaseError where etcd could not do without it."""
    from pykubeadm.errors import PhaseError
    from pykubeadm.etcd.removal import own_member, quorum_problem

    member = own_member(members, name=manifest.name, peer_urls=manifest.peer_urls)
    if member is None:
        run.note("info", f"{manifest.name} is not among etcd's members any more", topic=_NAME)
        return None
    if len(members) == 1:
        run.ends_cluster = True
        run.note("info", "this is etcd's last member: the cluster ends with it", topic=_NAME)
        return None
    problem = "" if run.reset.force else quorum_problem(members, client.unhealthy(members).keys(), member)
    if problem:
        raise PhaseError(
            f"etcd's {member} cannot leave: {problem}, and the cluster would stop; bring those members back or remove them first "
            "(`etcdctl member remove`), or give --force; nothing was changed"
        )
    return member


def _remove(run: ResetRun, client: EtcdClient, members: tuple[Member, ...], member: Member) -> Changes:
    """With --force etcd may refuse to lose its majority, for as long as others are dead."""
    from pykubeadm.phases.etcd.leave import remove_member
    from pykubeadm.workflow.events import Waiting

    if run.dry_run:
        return [f"would remove etcd's {member}"]

    def report(target: str, reason: str) -> None:
        run.emit(Waiting(phase=_NAME, target=target, reason=reason))

    return [remove_member(client, members, member, run.reset.timeouts.etcd_api_call, report=report)]


remove_etcd_member: Phase[ResetRun] = Phase(
    name=_NAME,
    summary="Take this node's member out of etcd",
    apply=_apply,
    when=_has_member,
    unchanged="it is not a member of others",
    flags=("dry-run", "force", "kubeconfig"),
)
