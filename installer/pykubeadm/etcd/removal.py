"""Which member is this node's, and whether etcd can do without it. Pure: the members and their health come in."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from pykubeadm.etcd.client import EtcdError, Member


class AmbiguousMemberError(EtcdError):
    """Name and peer URL do not lead to the same member, so it is not known which one is this node's."""


def own_member(members: Sequence[Member], *, name: str, peer_urls: Collection[str]) -> Member | None:
    """This node's member, by any of its peer URLs, else by its name; None where it is not among `members`.

    kubeadm compares the first peer URL only (util/etcd/etcd.go), and so finds no member behind a second network card.
    Raises AmbiguousMemberError.
    """
    by_url = [member for member in members if set(member.peer_urls) & set(peer_urls)]
    by_name = [member for member in members if name and member.name == name]
    found = {member.id: member for member in (by_url or by_name)}
    others = [member for member in by_name if member.name and member.id not in found]
    if len(found) > 1 or (by_url and others):
        candidates = "; ".join(map(str, [*found.values(), *others]))
        raise AmbiguousMemberError(
            f"it is not known which of etcd's members is this node's ({name}, {', '.join(peer_urls)}): {candidates}"
        )
    return next(iter(found.values()), None)


def quorum_problem(members: Sequence[Member], unhealthy: Collection[int], leaving: Member) -> str:
    """Why etcd would have no majority without `leaving`, "" where it would. `unhealthy` are members' ids.

    A cluster that has none now cannot lose it. Learners do not vote (https://etcd.io/docs/v3.6/learning/design-learner/).
    """
    voters = [member for member in members if not member.learner]
    if leaving.learner or len(voters) == 1 or not _is_majority(voters, unhealthy):
        return ""
    rest = [member for member in voters if member.id != leaving.id]
    if _is_majority(rest, unhealthy):
        return ""
    ailing = ", ".join(str(member) for member in rest if member.id in unhealthy)
    healthy = sum(member.id not in unhealthy for member in rest)
    return f"of the {len(rest)} members that would be left only {healthy} would be healthy ({ailing} not): no majority"


def _is_majority(voters: Sequence[Member], unhealthy: Collection[int]) -> bool:
    return sum(member.id not in unhealthy for member in voters) * 2 > len(voters)
