"""Three control planes and a worker: the two that join start at the same time; one may fail and comes back."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import NamedTuple

import pytest

from lab import assets, cluster
from lab.cluster import eventually, kubectl, kubectl_json
from lab.node import Node
from tests.e2e.conftest import nodes_of
from tests.e2e.joining import (
    connect,
    etcd_members,
    first_control_plane,
    join,
    join_command,
    name_endpoint,
    side_by_side,
    voters,
)
from tests.e2e.runs import outcome

ENDPOINT = "api.cluster.test"


class Cluster(NamedTuple):
    control_planes: tuple[Node, Node, Node]
    worker: Node


@pytest.fixture(scope="module")
def ha(kubernetes: assets.Assets, request: pytest.FixtureRequest) -> Iterator[Cluster]:
    with nodes_of(kubernetes, request) as new_node:
        first = first_control_plane(new_node, kubernetes, "joinh", endpoint=ENDPOINT, serverTLSBootstrap=True)
        others = [new_node(name) for name in ("joinhb", "joinhc", "joinhw")]
        for node in others:
            name_endpoint(node, ENDPOINT, first.address)
        words, plain = join_command(first, as_control_plane=True), join_command(first)
        side_by_side([*(partial(join, node, words) for node in others[:2]), partial(join, others[2], plain)])
        connect(first, (first, *others))
        yield Cluster((first, others[0], others[1]), others[2])


def test_etcd_has_three_voting_members(ha: Cluster) -> None:
    assert voters(ha.control_planes[0]) == sorted(node.name for node in ha.control_planes)


def test_the_queue_is_free_again(ha: Cluster) -> None:
    lease = kubectl_json(ha.control_planes[0], "--namespace=kube-system", "get", "lease", "pykubeadm-etcd-join")
    assert not lease["spec"].get("holderIdentity")


def test_all_are_marked_and_speak_to_their_own_api_server(ha: Cluster) -> None:
    for node in ha.control_planes:
        found = kubectl_json(node, "get", "node", node.name)
        assert found["metadata"]["labels"]["node-role.kubernetes.io/control-plane"] == ""
        assert {"key": "node-role.kubernetes.io/control-plane", "effect": "NoSchedule"} in found["spec"]["taints"]
        assert f"server: https://{node.address}:6443" in node.read("/etc/kubernetes/kubelet.conf")


def test_kubelets_serve_with_certificates_of_the_cluster(ha: Cluster) -> None:
    """serverTLSBootstrap is on: somebody approved the requests of all four, workers' too."""
    first = ha.control_planes[0]
    for node in (*ha.control_planes, ha.worker):
        ask = f"curl -s -o /dev/null -w %{{http_code}} --cacert /etc/kubernetes/pki/ca.crt https://{node.address}:10250/healthz"

        def served(ask: str = ask) -> str | None:
            code = first.run("sh", "-c", ask, check=False).stdout
            return None if code == "401" else f"curl says {code}"

        eventually(served, f"a trusted certificate of {node.name}", 180)


def test_a_control_plane_fails_and_comes_back(ha: Cluster) -> None:
    """The first one, which is not special: the others answer on, and it finds its place again."""
    first, second, third = ha.control_planes
    first.power_off()
    for node in (second, third, ha.worker):
        name_endpoint(node, ENDPOINT, second.address)
    for node in (second, third):
        eventually(partial(_answers, node), f"the API of {node.name}", 120)
        eventually(partial(_writes, node), f"a write through {node.name}", 120)
    first.power_on()
    name_endpoint(first, ENDPOINT, first.address)  # a container's /etc/hosts is made again
    eventually(partial(_answers, first), "the first API server", 300)
    cluster.wait_node_ready(second, first.name)
    eventually(partial(_knows, first, third.name), "what was written meanwhile", 60)
    assert len(etcd_members(first)) == 3


def test_a_control_plane_that_joined_is_left_alone(ha: Cluster) -> None:
    second = ha.control_planes[1]
    words = join_command(second, as_control_plane=True)
    assert outcome(join(second, words, "--output=json")) == "unchanged"


def _answers(node: Node) -> str | None:
    server = f"https://{node.address}:6443"
    said = kubectl(node, f"--server={server}", "get", "--raw", "/livez", check=False, timeout=15)
    return None if said == "ok" else said or "no answer"


def _knows(node: Node, writer: str) -> str | None:
    """Not at once: an API server that starts lets nobody in before it has read who may."""
    written = kubectl_json(node, "get", "namespace", "default")["metadata"].get("annotations", {})
    return None if written.get("written-by") == writer else f"it says {written}"


def _writes(node: Node) -> None:
    """Not at once: where etcd lost its leader, it elects another first."""
    kubectl(node, "annotate", "--overwrite", "namespace", "default", f"written-by={node.name}", timeout=30)
