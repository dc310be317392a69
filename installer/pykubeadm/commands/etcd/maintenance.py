"""`etcd defrag` and `etcd alarm disarm`: what keeps etcd within its quota."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pykubeadm.commands.existing import existing
from pykubeadm.errors import PhaseError
from pykubeadm.etcd.client import EtcdError
from pykubeadm.phases.etcd.reach import reach
from pykubeadm.workflow.events import Note, Result, Waiting

if TYPE_CHECKING:
    from pykubeadm.config.source import Source
    from pykubeadm.etcd.client import EtcdClient, Member
    from pykubeadm.node.port import Node
    from pykubeadm.workflow.events import Subscriber


def defragment(options: Mapping[str, Any], emit: Subscriber, *, machine: Node, source: Source | None = None) -> None:
    """Every member, one after the other and the leader last: each answers nothing meanwhile. PhaseError where one is not healthy
    before its turn, so that a majority always answers."""
    found = existing(options, emit, machine=machine, source=source)
    client = reach(found.node, found.configuration).client
    members = client.members()
    freed = 0
    for member in _leader_last(client, members):
        _require_healthy(client, members)
        endpoint = member.client_urls[0]
        before = client.status(endpoint).db_size
        emit(Waiting(phase="defrag", target=str(member), reason=f"it writes its {before / 2**20:.0f} MiB again"))
        client.defragment(endpoint)
        after = client.status(endpoint).db_size
        freed += before - after
        emit(Note(level="info", topic="defrag", message=f"{member}: {before / 2**20:.1f} MiB, now {after / 2**20:.1f} MiB"))
    text = f"{len(members)} {'member' if len(members) == 1 else 'members'} defragmented, {freed / 2**20:.1f} MiB freed"
    emit(Result(name="defrag", text=text, data={"freed": str(freed)}))


def disarm(options: Mapping[str, Any], emit: Subscriber, *, machine: Node, source: Source | None = None) -> None:
    """Take back every alarm. etcd raises one again where its cause is still there."""
    found = existing(options, emit, machine=machine, source=source)
    client = reach(found.node, found.configuration).client
    alarms, names = client.alarms(), {member.id: member.name for member in client.members()}
    for alarm in alarms:
        client.disarm(alarm)
        message = f"took back {alarm.kind} of {names.get(alarm.member_id) or f'{alarm.member_id:x}'}"
        emit(Note(level="info", topic="alarm", message=message))
    text = "no alarm was raised" if not alarms else f"{len(alarms)} {'alarm' if len(alarms) == 1 else 'alarms'} taken back"
    emit(Result(name="alarms", text=text, data={"disarmed": str(len(alarms))}))


def _leader_last(client: EtcdClient, members: tuple[Member, ...]) -> list[Member]:
    _require_healthy(client, members)
    leader = client.status(members[0].client_urls[0]).leader
    return sorted(members, key=lambda member: member.id == leader)


def _require_healthy(client: EtcdClient, members: tuple[Member, ...]) -> None:
    problems = [f"{member}: {problem}" for member in members if (problem := _problem(client, member))]
    if problems:
        raise PhaseError(f"etcd is not defragmented, as members are not healthy: {'; '.join(problems)}")


def _problem(client: EtcdClient, member: Member) -> str:
    """Why the member is not healthy, "" where it is. That a database is full is what this is for."""
    if not member.client_urls:
        return "it has never started"
    try:
        status = client.status(member.client_urls[0])
    except EtcdError as error:
        return str(error)
    others = [error for error in status.errors if "NOSPACE" not in error]
    return "; ".join(others) or ("" if status.leader else "it sees no leader")
