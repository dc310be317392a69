"""Three control planes whose certificates have all expired, brought back by one command on each."""

from __future__ import annotations

import pytest

from lab import assets, cluster
from lab.cluster import kubectl
from tests.e2e.conftest import NewNode
from tests.e2e.joining import connect, first_control_plane, join, join_command, name_endpoint, voters
from tests.e2e.runs import events, outcome
from tests.e2e.test_certs import assert_works, expire

pytestmark = pytest.mark.long


def test_a_dead_cluster_of_three(new_node: NewNode, kubernetes: assets.Assets) -> None:
    first = first_control_plane(new_node, kubernetes, "deadha1", endpoint="api.example")
    others = [new_node(f"deadha{number}") for number in (2, 3)]
    words = join_command(first, as_control_plane=True)
    for node in others:
        name_endpoint(node, "api.example", first.address)
        join(node, words)
    nodes = [first, *others]
    connect(first, nodes)
    for node in nodes:
        node.run("systemctl", "stop", "kubelet")
        expire(node)
    for node in nodes:
        node.power_off()
    for node in nodes:
        node.power_on()
        name_endpoint(node, "api.example", first.address)  # a container gets a new /etc/hosts at each start
    said = [events(node.run("pykubeadm", "certs", "renew", "all", "--output=json", timeout=400).stdout) for node in nodes]
    hints = [[event for event in each if event["type"] == "note" and "other control planes" in event["message"]] for each in said]
    assert hints[0]  # one member of three is no majority
    for node in nodes:
        cluster.wait_node_ready(first, node.name)
    assert kubectl(first, "get", "--raw", "/livez") == "ok"
    assert voters(first) == sorted(node.name for node in nodes)
    assert_works(first)
    assert outcome(nodes[-1].run("pykubeadm", "certs", "renew", "apiserver", "--output=json", timeout=200).stdout) == "changed"
