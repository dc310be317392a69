"""Three control planes: all data lost, the majority lost, and machines that leave for good."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from functools import partial

import pytest

from lab import assets, cluster
from lab.cluster import kubectl, kubectl_json
from lab.imagestore import TEST_IMAGE
from lab.node import Node
from tests.e2e.conftest import NewNode, nodes_of
from tests.e2e.joining import (
    IGNORED,
    connect,
    first_control_plane,
    join,
    join_command,
    name_endpoint,
    node_names,
    side_by_side,
    voters,
)
from tests.e2e.restoring import assert_old_watches_end, assert_scales, objects, revision, write_objects
from tests.e2e.test_etcd import REFUSED, etcd, save

pytestmark = pytest.mark.long

ENDPOINT = "api.example"
HOSTNAME = "kubernetes.io/hostname"


@pytest.fixture(scope="module")
def control_planes(kubernetes: assets.Assets, request: pytest.FixtureRequest) -> Iterator[Sequence[Node]]:
    with nodes_of(kubernetes, request) as new_node:
        others = side_by_side([partial(new_node, name) for name in ("etcd2", "etcd3")])
        first = first_control_plane(new_node, kubernetes, "etcd1", endpoint=ENDPOINT)
        for node in others:
            name_endpoint(node, ENDPOINT, first.address)
            join(node, join_command(first, as_control_plane=True))
        nodes = (first, *others)
        connect(first, nodes)
        cluster.wait_rolled_out(first, "deployment/coredns", "daemonset/kube-proxy")
        yield nodes


def _lose_data(node: Node) -> None:
    node.shell("rm -rf /var/lib/etcd/member; crictl ps -q --name etcd | xargs -r crictl stop --timeout 0")


def _run(node: Node, *words: str) -> str:
    return node.run("pykubeadm", "etcd", *words, timeout=400).stdout


def _assert_whole(nodes: Sequence[Node]) -> None:
    """Three voting members with the same data, and three API servers that answer."""
    assert voters(nodes[0]) == sorted(node.name for node in nodes)
    members = etcd(nodes[0], "members")["members"]
    assert [member["healthy"] for member in members] == [True] * len(nodes), members
    for node in nodes:
        own = f"--server=https://{node.address}:6443"
        assert kubectl(nodes[0], own, "get", "--raw", "/readyz") == "ok"
        cluster.wait_node_ready(nodes[0], node.name)
    cluster.eventually(partial(_not_ready, nodes[0]), "the pods of the control planes", 120)


def _not_ready(control_plane: Node) -> str | None:
    pods = kubectl_json(control_plane, "--namespace=kube-system", "get", "pods", "--selector=tier=control-plane")["items"]
    ready = [{status["ready"] for status in pod["status"].get("containerStatuses") or [{"ready": False}]} for pod in pods]
    names = [pod["metadata"]["name"] for pod, states in zip(pods, ready, strict=True) if False in states]
    return f"{', '.join(names)} are not ready" if names else None


def test_all_data_lost(control_planes: Sequence[Node], results: list[str]) -> None:
    first, *others = control_planes
    wanted = write_objects(first, "before", 30)
    kept = save(first)
    write_objects(first, "after", 30)
    newest = revision(first)
    for node in control_planes:
        _lose_data(node)
    refused = first.run("pykubeadm", "etcd", "snapshot", "restore", kept["place"], check=False)
    assert refused.returncode == REFUSED, refused.stdout + refused.stderr
    for node in others:
        assert f"{node.name} ({node.address}): run `pykubeadm etcd stop` there" in refused.stderr
    side_by_side([partial(_run, node, "stop") for node in others])
    results.append(_run(first, "snapshot", "restore", kept["place"]))
    assert objects(first) == wanted
    assert revision(first) > newest
    assert_old_watches_end(first, newest)
    results += [_run(node, "rejoin") for node in others]
    _assert_whole(control_planes)
    for node in control_planes:
        assert objects(node) == wanted
    assert_scales(first)


def test_the_majority_lost(control_planes: Sequence[Node], results: list[str]) -> None:
    """Two of three disks are gone; the third goes on with all that was acknowledged."""
    first, *others = control_planes
    refused = first.run("pykubeadm", "etcd", "recover", check=False)
    assert (refused.returncode, "etcd has its majority" in refused.stderr) == (REFUSED, True), refused.stderr
    wanted = objects(first) | write_objects(first, "majority", 10)
    for node in others:
        node.power_off()
    members = first.run("pykubeadm", "etcd", "members", check=False)
    assert (members.returncode, "no majority" in members.stderr) == (6, True), members.stdout + members.stderr
    results.append(_run(first, "recover"))
    assert objects(first) == wanted
    assert voters(first) == [first.name]
    for node in others:
        node.power_on()
        name_endpoint(node, ENDPOINT, first.address)  # a container's /etc/hosts is made again
        node.shell("rm -rf /var/lib/etcd/member")
        results.append(_run(node, "rejoin"))
    _assert_whole(control_planes)
    assert objects(first) == wanted
    assert_scales(first)


def test_a_member_that_lost_its_data_joins_again(control_planes: Sequence[Node]) -> None:
    """The others have their majority: nothing is to be restored."""
    _first, _second, third = control_planes
    _lose_data(third)
    _run(third, "rejoin")
    _assert_whole(control_planes)


def test_what_was_stopped_is_started_as_it_was(control_planes: Sequence[Node]) -> None:
    _first, _second, third = control_planes
    _run(third, "stop")
    assert third.shell("ls /etc/kubernetes/manifests").split() == []
    _run(third, "start")
    _assert_whole(control_planes)


def test_a_node_is_drained_once_nothing_blocks_it(control_planes: Sequence[Node]) -> None:
    """A pod that nobody would make again is named, and nothing is evicted."""
    first, _second, third = control_planes
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "naked", "namespace": "default"},
        "spec": {"nodeName": third.name, "containers": [{"name": "a", "image": TEST_IMAGE, "command": ["sleep", "1000"]}]},
    }
    kubectl(first, "create", "--filename=-", stdin=json.dumps(pod))
    refused = first.run("pykubeadm", "node", "drain", third.name, check=False)
    assert (refused.returncode, "default/naked: no controller would make it again" in refused.stderr) == (4, True), refused.stderr
    assert not kubectl_json(first, "get", "node", third.name)["spec"].get("unschedulable")
    kubectl(first, "delete", "pod", "naked", "--grace-period=1")
    first.run("pykubeadm", "node", "drain", third.name, timeout=200)
    assert kubectl_json(first, "get", "node", third.name)["spec"]["unschedulable"]
    kubectl(first, "uncordon", third.name)


def test_the_first_control_plane_is_off_for_good_and_replaced(
    control_planes: Sequence[Node], kubernetes: assets.Assets, request: pytest.FixtureRequest, results: list[str]
) -> None:
    """Then another is removed; real kubeadm joins in its place."""
    first, second, third = control_planes
    wanted = objects(second)
    alive = first.run("pykubeadm", "node", "remove", first.name, check=False)
    assert (alive.returncode, "is this node" in alive.stderr) == (2, True), alive.stderr
    first.power_off()
    for node in (second, third):
        name_endpoint(node, ENDPOINT, second.address)
    with nodes_of(kubernetes, request) as new_node:
        fourth = _replacement(new_node, second)
        cluster.eventually(lambda: _ready(second, first.name), "that the first one is noticed to be dead", 120)
        words = join_command(second, as_control_plane=True)
        results.append(fourth.run("pykubeadm", "node", "replace", first.name, *words, *IGNORED, timeout=300).stdout)
        connect(second, (second, third, fourth))
        _assert_whole((second, third, fourth))
        _assert_gone(second, first.name)
        third.power_off()
        results.append(second.run("pykubeadm", "node", "remove", third.name, timeout=200).stdout)
        assert voters(second) == sorted([second.name, fourth.name])
        _assert_gone(second, third.name)
        third.power_on()
        name_endpoint(third, ENDPOINT, second.address)
        third.run("pykubeadm", "reset", "--force", check=False, timeout=200)
        join(third, join_command(second, tool="kubeadm", as_control_plane=True), tool="kubeadm")
        connect(second, (second, third, fourth))
        _assert_whole((second, third, fourth))
        assert objects(fourth) == wanted


def _replacement(new_node: NewNode, seed: Node) -> Node:
    made = new_node("etcd4")
    name_endpoint(made, ENDPOINT, seed.address)
    return made


def _ready(control_plane: Node, name: str) -> str | None:
    conditions = kubectl_json(control_plane, "get", "node", name)["status"]["conditions"]
    ready = next(condition for condition in conditions if condition["type"] == "Ready")
    return "it still counts as Ready" if ready["status"] == "True" else None


def _assert_gone(control_plane: Node, name: str) -> None:
    """Nothing in the cluster knows the node any more."""
    assert name not in node_names(control_plane)
    leases = kubectl_json(control_plane, "get", "leases", "--all-namespaces")["items"]
    assert not [lease["metadata"]["name"] for lease in leases if (lease["metadata"].get("labels") or {}).get(HOSTNAME) == name]
    assert name not in [lease["metadata"]["name"] for lease in leases]
    requests = kubectl_json(control_plane, "get", "certificatesigningrequests")["items"]
    assert f"system:node:{name}" not in [request["spec"]["username"] for request in requests]
