"""`verify` on a control plane and two workers: each of three nodes reaches each."""

from __future__ import annotations

from functools import partial

import pytest

from lab import assets, cluster
from tests.e2e.conftest import NewNode
from tests.e2e.joining import connect, first_control_plane, join, join_command, side_by_side
from tests.e2e.verifying import doctor, said, shown, verify

pytestmark = pytest.mark.long


def test_every_row_is_shown(new_node: NewNode, kubernetes: assets.Assets, results: list[str]) -> None:
    plane = first_control_plane(new_node, kubernetes, "verifyt")
    workers = [new_node(name) for name in ("verifyta", "verifytb")]
    words = join_command(plane)
    side_by_side([partial(join, worker, words) for worker in workers])
    connect(plane, (plane, *workers))
    cluster.wait_rolled_out(plane, "daemonset/kube-proxy", "deployment/coredns")
    found = verify(plane)
    results += shown(found)
    [network] = [row["said"] for row in found["rows"] if row["name"] == "services/pod-network"]
    assert network == "pods on 3 nodes reached each other in 9 directions"
    for node in (plane, *workers):
        assert said(doctor(node), "problem", "unknown") == []
