"""`verify` and `doctor` on three control planes: an API server that ends costs no write, a stopped member of etcd is found."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import pytest

from lab import assets, cluster
from lab.node import Node
from tests.e2e.conftest import nodes_of
from tests.e2e.joining import connect, first_control_plane, join, join_command, name_endpoint, side_by_side
from tests.e2e.verifying import doctor, said, shown, unready, verify

pytestmark = pytest.mark.long
ENDPOINT = "api.cluster.test"
_ETCD = "/etc/kubernetes/manifests/etcd.yaml"


@pytest.fixture(scope="module")
def planes(kubernetes: assets.Assets, request: pytest.FixtureRequest) -> Iterator[list[Node]]:
    """Three control planes and nothing else."""
    with nodes_of(kubernetes, request) as new_node:
        first = first_control_plane(new_node, kubernetes, "verifyh", endpoint=ENDPOINT)
        others = [new_node(name) for name in ("verifyhb", "verifyhc")]
        for node in others:
            name_endpoint(node, ENDPOINT, first.address)
        words = join_command(first, as_control_plane=True)
        side_by_side([partial(join, node, words) for node in others])
        connect(first, (first, *others))
        cluster.wait_rolled_out(first, "daemonset/kube-proxy", "deployment/coredns")
        yield [first, *others]


def test_every_row_is_shown_on_three_control_planes(planes: list[Node], results: list[str]) -> None:
    """With the end of an API server, the one that the kubeconfig leads to."""
    results += shown(verify(planes[0], timeout=900), "control-plane/restart")
    # Controllers that lost their Lease with the API server end, and are started again.
    cluster.eventually(lambda: unready(planes[0]), "a control plane that is ready again", 90)
    for node in planes:
        assert said(doctor(node), "problem", "unknown") == []


def test_a_member_of_etcd_that_is_stopped(planes: list[Node], results: list[str]) -> None:
    stopped = planes[2]
    stopped.run("mv", _ETCD, "/root/etcd.yaml")
    try:
        cluster.eventually(partial(_runs, stopped), "the end of etcd", 60)
        found = verify(planes[0], "control-plane/etcd")
        assert found["failed"] == 1, found["rows"]
        results.append(f"etcd stopped: {found['rows'][0]['said']}")
        remarks = said(doctor(planes[0]), "problem")
        said_of_it = f"cluster/etcd: etcd's member {stopped.name} does not answer; 2 of 3 do"
        assert [remark for remark in remarks if remark.startswith(said_of_it)], remarks
        results.append(f"etcd stopped: doctor: {'; '.join(remarks)}")
    finally:
        stopped.run("mv", "/root/etcd.yaml", _ETCD)


def _runs(node: Node) -> str | None:
    return "it runs" if node.shell("ss -Hltn sport = :2379") else None  # its program may be named after its version
