"""Three control planes whose certificates have all expired, brought back by one command on each."""

from __future__ import annotations

import pytest
import yaml

from lab import assets, cluster
from lab.node import Node
from tests.e2e.ageing import expired, let_a_year_pass, make_authorities, valid_for
from tests.e2e.conftest import NewNode
from tests.e2e.joining import connect, join, join_command, name_endpoint, voters
from tests.e2e.runs import events, outcome
from tests.e2e.test_certs import assert_works
from tests.e2e.test_certs_expired import OF_CONTROL_PLANE, OF_KUBELET, assert_dead, wait_alive

pytestmark = pytest.mark.long
ENDPOINT = "api.example"


def cluster_of_three(new_node: NewNode, kubernetes: assets.Assets) -> list[Node]:
    """Its CAs were made a year ago."""
    first = new_node("deadha1")
    name_endpoint(first, ENDPOINT, first.address)
    documents = cluster.documents(kubernetes.version, first.address)
    documents[1]["controlPlaneEndpoint"] = f"{ENDPOINT}:6443"
    first.write(cluster.CONFIG, yaml.safe_dump_all(documents))
    make_authorities(first)
    first.run("pykubeadm", "init", "--config", cluster.CONFIG, timeout=300)
    nodes = [first, *(new_node(f"deadha{number}") for number in (2, 3))]
    words = join_command(first, as_control_plane=True)
    for node in nodes[1:]:
        name_endpoint(node, ENDPOINT, first.address)
        join(node, words)
    connect(first, nodes)
    return nodes


def bring_back(nodes: list[Node], *options: str) -> list[list[str]]:
    """One command on each; the hints to go on with the others that each gave."""
    words = ("pykubeadm", "certs", "renew", "all", "--output=json", *options)
    said = [node.run(*words, timeout=400).stdout for node in nodes]
    assert [outcome(each) for each in said] == ["changed"] * len(nodes)
    for node in nodes:
        wait_alive(node)
    for node in nodes:
        cluster.wait_node_ready(nodes[0], node.name)
        assert expired(node) == set()
    assert voters(nodes[0]) == sorted(node.name for node in nodes)
    assert_works(nodes[0])
    notes = [[event["message"] for event in events(each) if event["type"] == "note"] for each in said]
    return [[message for message in each if "other control planes" in message] for each in notes]


def test_a_dead_cluster_of_three(new_node: NewNode, kubernetes: assets.Assets) -> None:
    """Found after a year, then with certificates of a minute that expire while it runs."""
    nodes = cluster_of_three(new_node, kubernetes)
    first = nodes[0]
    for node in nodes:
        let_a_year_pass(node)
    for node in nodes:
        node.power_on()
        name_endpoint(node, ENDPOINT, first.address)  # a container gets a new /etc/hosts at each start
        assert expired(node) == (OF_CONTROL_PLANE if node is first else OF_CONTROL_PLANE - {"super-admin.conf"}) | OF_KUBELET
    assert_dead(first)
    hints = bring_back(nodes)
    assert hints[0]  # one member of three is no majority
    assert not hints[2]

    for node in nodes:
        node.write(cluster.CONFIG, first.read(cluster.CONFIG).replace(first.address, node.address))
        # On a busy machine a component would not be up again before its new certificate is over.
        node.run("pykubeadm", "certs", "renew", "all", "--no-restart", "--config", valid_for(node, "1m"), timeout=300)
    cluster.eventually(
        lambda: None if all("etcd-peer" in expired(node) for node in nodes) else "not yet", "expired certificates", 120, pause=5
    )
    assert_dead(first)
    bring_back(nodes, "--config", cluster.CONFIG)
