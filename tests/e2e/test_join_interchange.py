"""pykubeadm and kubeadm join each other's clusters, with each other's join commands, tokens and certificate keys."""

from __future__ import annotations

import pytest

from lab import assets, cluster
from lab.cluster import kubectl, kubectl_json
from lab.node import Node
from tests.e2e.conftest import NewNode, nodes_of
from tests.e2e.joining import connect, first_control_plane, join, join_command, node_names, voters

TOOLS = ("pykubeadm", "kubeadm")


@pytest.mark.parametrize("made_by", TOOLS)
def test_each_tool_joins_the_others_cluster(
    kubernetes: assets.Assets, request: pytest.FixtureRequest, results: list[str], made_by: str
) -> None:
    """The command is printed by the tool that made the cluster, and run by the other."""
    joined_by = next(tool for tool in TOOLS if tool != made_by)
    if kubernetes.program("kubeadm") is None:
        pytest.skip("kubeadm is not among the assets")
    with nodes_of(kubernetes, request) as new_node:
        seed = first_control_plane(new_node, kubernetes, "joini", tool=made_by)
        worker = _joined(new_node, seed, made_by, joined_by, results, control_plane=False)
        other = _joined(new_node, seed, made_by, joined_by, results, control_plane=True)
        connect(seed, (seed, worker, other))
        assert node_names(seed) == sorted([seed.name, worker.name, other.name])
        assert voters(seed) == sorted([seed.name, other.name])
        assert kubectl(other, "get", "--raw", "/livez") == "ok"
        labels = kubectl_json(seed, "get", "node", other.name)["metadata"]["labels"]
        assert labels["node-role.kubernetes.io/control-plane"] == ""
        cluster.wait_rolled_out(seed, "daemonset/kube-proxy", "deployment/coredns")
        # Either tool reads what the other left on the node it joined.
        assert "apiserver" in other.run("kubeadm", "certs", "check-expiration").stdout


def _joined(new_node: NewNode, seed: Node, made_by: str, joined_by: str, results: list[str], *, control_plane: bool) -> Node:
    kind = "control plane" if control_plane else "worker"
    node = new_node("joinic" if control_plane else "joiniw")
    words = join_command(seed, tool=made_by, as_control_plane=control_plane)
    line = f"{made_by} init → {joined_by} join ({kind})"
    try:
        join(node, words, tool=joined_by)
    except Exception:
        results.append(f"{line:<52} failed")
        raise
    results.append(f"{line:<52} joined")
    return node


def test_tokens_of_one_tool_are_listed_by_the_other(new_node: NewNode, kubernetes: assets.Assets) -> None:
    seed = first_control_plane(new_node, kubernetes, "joint")
    for tool in TOOLS:
        seed.run(tool, "token", "create", "--description", f"by {tool}", "--ttl=1h")
    listed = {tool: seed.run(tool, "token", "list", "-o", "json").stdout for tool in TOOLS}
    assert listed["pykubeadm"] == listed["kubeadm"]
    assert '"by pykubeadm"' in listed["kubeadm"]
    assert (
        seed.run("pykubeadm", "token", "list", "-o", "yaml").stdout == seed.run("kubeadm", "token", "list", "-o", "yaml").stdout
    )
