"""Copies of certificates and keys before they are replaced."""

from __future__ import annotations

from datetime import timedelta

from pykubeadm.phases.certs.backup import KEPT, back_up
from tests.support.init_runs import NOW, init_run
from tests.support.node import FakeNode

KEY = "/etc/kubernetes/pki/ca.key"


def backed_up(node: FakeNode, days: int) -> str:
    run = init_run(node)[0]
    run.now = lambda: NOW + timedelta(days=days)
    return back_up(run, [KEY])


def test_the_oldest_go() -> None:
    node = FakeNode()
    node.put(KEY, "key", 0o600)
    places = [backed_up(node, days) for days in range(KEPT + 2)]
    assert [place for place in places if node.stat(place) is None] == places[:2]


def test_the_one_that_was_just_made_stays_though_a_clock_was_ahead() -> None:
    node = FakeNode()
    node.put(KEY, "key", 0o600)
    earlier = [backed_up(node, days) for days in range(400, 400 + KEPT)]
    place = backed_up(node, 0)
    assert node.text(f"{place}{KEY}") == "key"
    assert [other for other in earlier if node.stat(other) is None] == earlier[:1]
