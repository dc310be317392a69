"""A member leaves etcd, this node's or another's."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pykubeadm.etcd.client import EtcdClient, Member


def remove_member(
    client: EtcdClient,
    members: Sequence[Member],
    leaving: Member,
    timeout: timedelta,
    *,
    report: Callable[[str, str], None],
) -> str:
    """Remove one of `members`; a sentence with what was done. Tried again while etcd elects a leader; WaitError where it refuses
    for `timeout`, or because there is no majority, which no wait changes. `report` gets what is waited for, and why."""
    from pykubeadm.etcd.client import ClusterUnhealthyError, EtcdUnreachableError, MemberNotFoundError
    from pykubeadm.etcd.removal import quorum_problem
    from pykubeadm.kube.waits import wait_for

    # Asked of the others: a member stops when it learns that it was removed, perhaps before it has answered.
    others = [url for other in members if other.id != leaving.id for url in other.client_urls]
    remaining = client.at(others) if others else client

    def removed() -> str | None:
        try:
            remaining.remove(leaving.id)
        except MemberNotFoundError:  # an answer that was lost
            return None
        except (ClusterUnhealthyError, EtcdUnreachableError) as error:
            return str(error)
        return None

    def hopeless() -> str | None:
        return quorum_problem(members, client.unhealthy(members).keys(), leaving) or None

    wait_for({f"etcd to remove {leaving}": removed}, timeout, report=report, hopeless=hopeless)
    return f"removed etcd's {leaving}"
