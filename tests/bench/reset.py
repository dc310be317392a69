"""`reset` of a control plane with all its pods, beside real kubeadm on the same node. kubeadm leaves network and rules behind."""

from __future__ import annotations

from collections.abc import Iterator

import yaml

from lab import cluster
from lab.assets import Assets
from lab.node import Node, start
from tests.bench.timing import Row, Spent, on_node, spent_rows

RUNS = 5


def rows(assets: Assets) -> Iterator[Row]:
    """In turns; what kubeadm leaves is taken away between its run and the next `init`."""
    programs = ["pykubeadm", "kubeadm"] if assets.program("kubeadm") else ["pykubeadm"]
    spent: dict[str, list[Spent]] = {name: [] for name in programs}
    node = start("bench-reset", assets=[assets])
    try:
        node.write(cluster.CONFIG, yaml.safe_dump_all(cluster.documents(assets.version, node.address)))
        for _ in range(RUNS):
            for name in programs:
                _init(node)
                spent[name].append(on_node(node, [name, "reset", "--force"], timeout=120))
                node.run("pykubeadm", "reset", "--force", timeout=120)
    finally:
        node.remove()
    yield from spent_rows("reset of a control plane", spent, "≤ 0.8 ×")


def _init(node: Node) -> None:
    node.run("pykubeadm", "init", "--config", cluster.CONFIG, timeout=300)
    cluster.install_cni(node)
    cluster.wait_node_ready(node)
    cluster.wait_rolled_out(node, "daemonset/kube-proxy", "deployment/coredns")
