"""What a joining node has to do about its membership in etcd, decided from what is found; changes nothing itself.

An interrupted join, a node that was reinstalled, or a member removed by hand leave a member, a data directory, or
both behind. Only members that are this node's own (by peer URL or name) are ever proposed for removal, and a voting one
only where the others keep their majority without it.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from enum import Enum

from pykubeadm.etcd.client import EtcdError, Member
from pykubeadm.util.dataclass import dataclass


class Action(Enum):
    NOTHING = "this node's etcd member votes already"
    PROMOTE = "this node's learner has to start, catch up and be promoted"
    ADD = "this node has to be added as a learner"


@dataclass(frozen=True, slots=True)
class Plan:
    """`remove` comes first; `discard_data` says that the data directory belongs to a membership that is over."""

    action: Action
    member: Member | None = None  # ours, for NOTHING and PROMOTE
    remove: tuple[Member, ...] = ()
    discard_data: bool = False


def plan_membership(members: Sequence[Member], unhealthy: Collection[int], *, name: str, peer_url: str, has_data: bool) -> Plan:
    """What to do for the node `name` at `peer_url`. `unhealthy` holds the ids of members that do not answer;
    `has_data` says whether the data directory holds a member's data. EtcdError where a voting member would have to go
    and the others would lose their majority."""
    ours = next((member for member in members if peer_url in member.peer_urls), None)
    namesakes = tuple(member for member in members if member.name == name and member is not ours)
    for namesake in namesakes:
        if namesake.id not in unhealthy:
            raise EtcdError(
                f"another etcd member is named {name} and is healthy ({namesake}): give this node another name (--node-name)"
            )
    # Started once, but its data is gone: such a member can never come back, it has to be added again.
    lost = ours is not None and ours.started and not has_data
    if ours is not None and lost and ours.id not in unhealthy:
        raise EtcdError(
            f"another machine runs the etcd {ours}, so this node cannot use that address: choose its own to advertise"
        )
    remove = (*namesakes, *((ours,) if ours is not None and lost else ()))
    check_quorum(members, unhealthy, remove)
    if ours is None or lost:
        return Plan(Action.ADD, remove=remove, discard_data=has_data)
    if ours.started and not ours.learner:
        return Plan(Action.NOTHING, ours, remove)
    return Plan(Action.PROMOTE, ours, remove)


def check_quorum(members: Sequence[Member], unhealthy: Collection[int], remove: Sequence[Member]) -> None:
    """EtcdError where the voters that remain after `remove` would have no healthy majority."""
    if all(member.learner for member in remove):
        return
    remaining = [member for member in members if not member.learner and member not in remove]
    healthy = [member for member in remaining if member.id not in unhealthy]
    if len(healthy) * 2 <= len(remaining):
        raise EtcdError(
            f"etcd's {', '.join(str(member) for member in remove if not member.learner)} has to be removed, but then only "
            f"{len(healthy)} of {len(remaining)} voting members would be healthy and etcd would stop: "
            f"bring {', '.join(str(member) for member in remaining if member.id in unhealthy) or 'another member'} back first"
        )


def initial_cluster(members: Sequence[Member], *, name: str, peer_url: str) -> tuple[tuple[str, str], ...]:
    """(name, peer URL) of every member, ours named `name`, for etcd's --initial-cluster. One that never started is named
    by its id, as kubeadm does (util/etcd/etcd.go): etcd compares the URLs only."""
    pairs: list[tuple[str, str]] = []
    for member in members:
        known = name if peer_url in member.peer_urls else member.name or f"{member.id:x}"
        pairs.extend((known, url) for url in member.peer_urls)
    return tuple(pairs)
