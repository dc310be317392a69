import pytest

from pykubeadm.etcd.client import EtcdError, Member
from pykubeadm.etcd.membership import Action, initial_cluster, plan_membership

URL = "https://10.0.0.9:2380"


def member(number: int, name: str | None = None, *, url: str | None = None, learner: bool = False) -> Member:
    name = f"cp{number}" if name is None else name
    return Member(
        number, name, (url or f"https://10.0.0.{number}:2380",), (f"https://10.0.0.{number}:2379",) if name else (), learner
    )


def plan(*members: Member, unhealthy: set[int] | None = None, has_data: bool = False):
    return plan_membership(members, unhealthy or set(), name="cp9", peer_url=URL, has_data=has_data)


def test_a_new_node_is_added():
    assert plan(member(1)).action is Action.ADD
    assert plan(member(1)).remove == ()
    assert not plan(member(1)).discard_data


def test_a_voter_with_its_data_has_nothing_to_do():
    found = plan(member(1), member(9), has_data=True)
    assert (found.action, found.member) == (Action.NOTHING, member(9))


def test_a_learner_that_never_started_is_taken_over_whatever_its_data_directory_holds():
    ours = member(9, "", learner=True)
    for has_data in (False, True):
        found = plan(member(1), ours, unhealthy={9}, has_data=has_data)
        assert (found.action, found.member, found.remove) == (Action.PROMOTE, ours, ())


def test_a_learner_that_started_goes_on():
    ours = member(9, learner=True)
    assert plan(member(1), ours, has_data=True).action is Action.PROMOTE


def test_a_learner_that_lost_its_data_is_removed_and_added_again():
    ours = member(9, learner=True)
    found = plan(member(1), ours, unhealthy={9})
    assert (found.action, found.remove) == (Action.ADD, (ours,))


def test_a_voter_that_lost_its_data_is_replaced_where_the_others_keep_a_majority():
    found = plan(member(1), member(2), member(9), unhealthy={9})
    assert (found.action, found.remove) == (Action.ADD, (member(9),))


def test_a_voter_that_lost_its_data_stays_where_the_others_would_lose_their_majority():
    with pytest.raises(EtcdError, match=r"only 1 of 2 voting members would be healthy.*bring member cp2 2 at") as error:
        plan(member(1), member(2), member(9), unhealthy={2, 9})
    assert "cp9" in str(error.value)


def test_a_healthy_member_at_our_address_is_another_machines():
    with pytest.raises(EtcdError, match=r"another machine runs the etcd member cp1 1 at https://10\.0\.0\.9:2380"):
        plan(member(1, url=URL), member(2), member(3))


def test_an_unhealthy_member_of_our_name_at_another_address_is_removed():
    old = member(7, "cp9")
    found = plan(member(1), member(2), old, unhealthy={7})
    assert (found.action, found.remove) == (Action.ADD, (old,))


def test_a_healthy_member_of_our_name_at_another_address_stops_the_join():
    with pytest.raises(EtcdError, match="another etcd member is named cp9 and is healthy"):
        plan(member(1), member(7, "cp9"))


def test_other_nodes_members_are_never_removed():
    found = plan(member(1), member(2), member(3), member(4, "", learner=True), unhealthy={3, 4})
    assert (found.action, found.remove) == (Action.ADD, ())


def test_data_of_a_membership_that_was_removed_is_discarded():
    found = plan(member(1), has_data=True)
    assert (found.action, found.discard_data) == (Action.ADD, True)


def test_the_initial_cluster_names_ours_and_gives_the_unstarted_their_ids():
    members = [member(1), member(255, "", url="https://10.0.0.3:2380", learner=True), member(9, "", learner=True)]
    assert initial_cluster(members, name="cp9", peer_url=URL) == (
        ("cp1", "https://10.0.0.1:2380"),
        ("ff", "https://10.0.0.3:2380"),
        ("cp9", URL),
    )
