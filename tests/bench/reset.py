"""`reset` of a control plane with all its pods, beside real kubeadm on the same node. kubeadm leaves network and rules behind."""

from __future__ import annotations

import time
from collections.abc import Iterator

import yaml

from lab import cluster
from lab.assets import Assets
from lab.node import Node, start
from tests.bench.timing import Row

RUNS = 5


def rows(assets: Assets) -> Iterator[Row]:
    """In turns; what kubeadm leaves is taken away between its run and the next `init`."""
    programs = ["pykubeadm", "kubeadm"] if assets.program("kubeadm") else ["pykubeadm"]
    seconds: dict[str, list[float]] = {name: [] for name in programs}
    node = start("bench-reset", assets=[assets])
    try:
        node.write(cluster.CONFIG, yaml.safe_dump_all(cluster.documents(assets.version, node.address)))
        for _ in range(RUNS):
            for name in programs:
                _init(node)
                began = time.perf_counter()
                node.run(name, "reset", "--force", timeout=120)
                seconds[name].append(time.perf_counter() - began)
                node.run("pykubeadm", "reset", "--force", timeout=120)
    finally:
        node.remove()
    yield Row("reset of a control plane", seconds["pykubeadm"], seconds.get("kubeadm"), "≤ 0.8 ×")


def _init(node: Node) -> None:
    node.run("pykubeadm", "init", "--config", cluster.CONFIG, timeout=300)
    cluster.install_cni(node)
    cluster.wait_node_ready(node)
    cluster.wait_rolled_out(node, "daemonset/kube-proxy", "deployment/coredns")
