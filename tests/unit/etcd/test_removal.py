"""Whose member is this node's, and when etcd could not do without it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pykubeadm.etcd.client import Member
from pykubeadm.etcd.removal import AmbiguousMemberError, own_member, quorum_problem


def member(number: int, *urls: str, name: str = "", learner: bool = False) -> Member:
    return Member(number, name or f"cp{number}", urls or (f"https://10.0.0.{number}:2380",), learner=learner)


MEMBERS = (member(1), member(2, "https://192.168.0.2:2380", "https://10.0.0.2:2380"), member(3))


@pytest.mark.parametrize(
    ("name", "urls", "found"),
    [
        ("cp1", ["https://10.0.0.1:2380"], 1),
        ("cp2", ["https://10.0.0.2:2380"], 2),  # not its first URL
        ("cp3", ["https://172.16.0.3:2380"], 3),  # the manifest was moved to another card since
        ("", ["https://10.0.0.3:2380"], 3),
        ("cp9", ["https://10.0.0.9:2380"], None),
    ],
)
def test_a_member_is_found_by_any_peer_url_else_by_name(name: str, urls: list[str], found: int | None) -> None:
    own = own_member(MEMBERS, name=name, peer_urls=urls)
    assert (own.id if own else None) == found


def test_a_learner_that_never_started_has_no_name() -> None:
    learner = Member(7, "", ("https://10.0.0.7:2380",), learner=True)
    assert own_member((*MEMBERS, learner), name="cp7", peer_urls=["https://10.0.0.7:2380"]) == learner


def test_name_and_url_of_different_members_are_no_answer() -> None:
    with pytest.raises(AmbiguousMemberError, match=r"cp1 1 at .*; member cp3 3 at|cp1, https"):
        own_member(MEMBERS, name="cp1", peer_urls=["https://10.0.0.3:2380"])


@pytest.mark.parametrize(
    ("members", "unhealthy", "leaving", "refused"),
    [
        (3, set(), 1, False),
        (3, {2}, 1, True),  # one of two would be left
        (3, {1}, 1, False),  # the dead one leaves
        (2, set(), 1, False),
        (2, {2}, 1, False),  # there is no majority to lose
        (5, {2}, 1, False),
        (5, {2, 3}, 1, True),
        (1, set(), 1, False),
    ],
)
def test_the_majority_is_kept(members: int, unhealthy: set[int], leaving: int, refused: bool) -> None:
    all_members = tuple(member(number) for number in range(1, members + 1))
    assert bool(quorum_problem(all_members, unhealthy, all_members[leaving - 1])) is refused


@given(st.sets(st.integers(1, 7), min_size=1), st.sets(st.integers(1, 7)))
def test_a_healthy_etcd_stays_one_or_the_removal_is_refused(numbers: set[int], unhealthy: set[int]) -> None:
    members = tuple(member(number) for number in sorted(numbers))
    leaving = members[0]
    rest = numbers - {leaving.id}

    def healthy(voters: set[int]) -> bool:
        return len(voters - unhealthy) * 2 > len(voters)

    refused = bool(quorum_problem(members, unhealthy, leaving))
    assert refused == (bool(rest) and healthy(numbers) and not healthy(rest))
