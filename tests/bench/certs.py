"""`certs` on a running control plane with the default keys (RSA-2048), beside real kubeadm on the same node."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence

import yaml

from lab import cluster
from lab.assets import Assets
from lab.node import Node, start
from tests.bench.timing import Row, Spent, on_node, spent_rows

CHECKS = 20
RENEWALS = 10


def rows(assets: Assets) -> Iterator[Row]:
    """In turns. kubeadm restarts nothing, so that is left out of our renewals too. (etcd and the API server take up new
    certificates by themselves; the pauses are for them.)"""
    programs = ["pykubeadm", "kubeadm"] if assets.program("kubeadm") else ["pykubeadm"]
    node = start("bench-certs", assets=[assets])
    try:
        node.write(cluster.CONFIG, yaml.safe_dump_all(cluster.documents(assets.version, node.address)))
        node.run("pykubeadm", "init", "--config", cluster.CONFIG, timeout=300)
        cluster.install_cni(node)
        cluster.wait_node_ready(node)
        cluster.wait_rolled_out(node, "daemonset/kube-proxy", "deployment/coredns")
        checks = _in_turns(node, programs, ["check-expiration"], runs=CHECKS)
        yield from spent_rows("certs check-expiration", checks, "≤ 0.25 s")
        renewals = _in_turns(node, programs, ["renew", "all"], runs=RENEWALS, pause=2)
        yield from spent_rows("certs renew all, RSA-2048", renewals, "≤ 0.8 ×")
    finally:
        node.remove()


def _in_turns(
    node: Node, programs: Sequence[str], words: Sequence[str], *, runs: int, pause: float = 0
) -> dict[str, list[Spent]]:
    spent: dict[str, list[Spent]] = {name: [] for name in programs}
    for _ in range(runs):
        for name in programs:
            only_ours = ["--no-restart"] if name == "pykubeadm" and "renew" in words else []
            time.sleep(pause)
            spent[name].append(on_node(node, [name, "certs", *words, *only_ours]))
    return spent
