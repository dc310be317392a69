"""What is said where hosts failed."""

from __future__ import annotations

import pytest

from pykubeadm.errors import NodeError, PhaseError, PykubeadmError
from pykubeadm.fleet.apply import Outcome
from pykubeadm.fleet.ending import finish


def said(outcomes=(), problems=()):
    with pytest.raises(PykubeadmError) as failed:
        finish({each.host: each for each in outcomes}, problems, lambda _event: None)
    return str(failed.value).splitlines()[:-1]


def test_all_hosts_that_the_same_stands_in_the_way_of_are_named():
    other = "it is a part of another cluster than c1"
    problems = [("w1", other), ("w2", other), ("", "etcd is silent"), ("w3", "w3 cannot be reached"), ("w2", other)]
    assert said(problems=problems) == [f"w1, w2: {other}", "etcd is silent", "w3 cannot be reached"]


def test_all_hosts_that_failed_in_the_same_way_are_named_and_none_that_waited_for_them():
    full, begun = (NodeError("the disk is full") for _ in range(2))
    first = PhaseError("etcd does not start")
    errors = {"w1": full, "w2": begun, "c1": first, "w3": first, "w4": full}
    outcomes = [Outcome(name, 1.0, error) for name, error in errors.items()]
    assert said(outcomes) == ["w1, w2: the disk is full", "c1: etcd does not start"]
