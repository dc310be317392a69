"""`pykubeadm reset` where others stay: workers and control planes leave, etcd keeps its majority, and they join again at once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial

import pytest
import yaml

from lab import assets, cluster
from lab.cluster import kubectl
from lab.node import Node
from tests.e2e.bare import Likeness, differences, likeness
from tests.e2e.conftest import nodes_of
from tests.e2e.joining import (
    connect,
    first_control_plane,
    join,
    join_command,
    node_names,
    side_by_side,
    voters,
)
from tests.e2e.runs import events, outcome

pytestmark = pytest.mark.long

RESET = ("reset", "--force", "--output=json")
REFUSED, MEMBER_REMAINS = 4, 9


def _reset(node: Node, *, status: int = 0) -> str:
    done = node.run("pykubeadm", *RESET, check=False, timeout=300)
    assert done.returncode == status, done.stdout + done.stderr
    return done.stdout


@dataclass(frozen=True)
class Shared:
    """Three control planes and a worker; all but the first were looked at when they were bare."""

    first: Node
    second: Node
    third: Node
    worker: Node
    bare: Mapping[str, Likeness]

    def assert_bare(self, node: Node) -> None:
        """Apart from what the lab's pod network is, beside the cluster."""
        node.shell(f"rm -f {cluster.CNI_CONFIG}; ip route | awk '$1 ~ /^10.244/ {{print $1}}' | xargs -r -n 1 ip route delete")
        assert differences(self.bare[node.name], likeness(node)) == []


@pytest.fixture(scope="module")
def shared(kubernetes: assets.Assets, request: pytest.FixtureRequest) -> Iterator[Shared]:
    with nodes_of(kubernetes, request) as new_node:
        nodes = side_by_side([partial(new_node, name) for name in ("reset2", "reset3", "resetw")])
        bare = {node.name: likeness(node) for node in nodes}
        first = first_control_plane(new_node, kubernetes, "reset1")
        for node in nodes[:2]:
            join(node, join_command(first, as_control_plane=True))
        join(nodes[2], join_command(first))
        connect(first, (first, *nodes))
        yield Shared(first, *nodes, bare)


def test_a_worker_and_a_control_plane_leave_and_come_again(shared: Shared) -> None:
    first, second, third, worker = shared.first, shared.second, shared.third, shared.worker
    for node in (worker, third):
        _reset(node)
        shared.assert_bare(node)
        assert outcome(_reset(node)) == "unchanged"
    assert voters(first) == sorted([first.name, second.name])
    for node in (worker, third):
        kubectl(first, "delete", "node", node.name)
        join(node, join_command(first, as_control_plane=node is third))
    assert voters(first) == sorted([first.name, second.name, third.name])
    assert node_names(first) == sorted(node.name for node in (first, second, third, worker))


def test_the_majority_is_guarded(shared: Shared) -> None:
    """One of three is dead: without another etcd would stop."""
    third = shared.third
    shared.second.power_off()
    before = likeness(third)["contents"]
    refused = third.run("pykubeadm", "reset", "--output=json", stdin="y\n", check=False, timeout=120)
    assert refused.returncode == REFUSED, refused.stdout + refused.stderr
    assert "majority" in refused.stdout
    assert likeness(third)["contents"] == before
    assert third.run("systemctl", "is-active", "kubelet").stdout.strip() == "active"
    assert third.name in voters(shared.first)


def test_a_member_that_remains_is_a_status_of_its_own(shared: Shared) -> None:
    """Forced, etcd itself refuses: the node is bare, and it is said what is left to do."""
    third = shared.third
    said = events(_reset(third, status=MEMBER_REMAINS))
    failed = [(event["phase"], event["exit_status"]) for event in said if event["type"] == "phase-failed"]
    assert failed == [("remove-etcd-member", MEMBER_REMAINS)]
    assert "etcdctl member remove" in next(event["error"] for event in said if event["type"] == "failure")
    shared.assert_bare(third)


def test_nodes_of_a_dead_cluster_make_another(shared: Shared, kubernetes: assets.Assets) -> None:
    second, third, worker = shared.second, shared.third, shared.worker
    second.power_on()
    shared.first.power_off()
    _reset(second, status=MEMBER_REMAINS)
    shared.assert_bare(second)
    documents = cluster.documents(kubernetes.version, second.address)
    documents[1]["controlPlaneEndpoint"] = f"{second.address}:6443"
    second.write(cluster.CONFIG, yaml.safe_dump_all(documents, sort_keys=False))
    second.run("pykubeadm", "init", "--config", cluster.CONFIG, timeout=300)
    second.run("rm", cluster.CONFIG)
    cluster.install_cni(second)
    _reset(worker)
    shared.assert_bare(worker)
    join(worker, join_command(second))
    join(third, join_command(second, as_control_plane=True))
    assert voters(second) == sorted([second.name, third.name])
    assert node_names(second) == sorted([second.name, third.name, worker.name])


def test_the_first_control_plane_leaves_then_the_last(shared: Shared) -> None:
    second, third = shared.second, shared.third
    _reset(second)
    assert voters(third) == [third.name]
    own = f"--server=https://{third.address}:6443"  # the cluster's endpoint was the other's
    cluster.eventually(
        lambda: None if kubectl(third, own, "get", "--raw", "/livez", check=False) == "ok" else "not ok", "the API", 60
    )
    _reset(third)
    for node in (second, third):
        shared.assert_bare(node)
