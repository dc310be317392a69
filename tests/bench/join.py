"""`join` of workers and control planes beside real kubeadm, in the same cluster, and what the n-th node costs."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Sequence
from functools import partial

import yaml

from lab import cluster
from lab.assets import Assets
from lab.cluster import kubectl
from lab.node import Node, start
from tests.bench.timing import Row

# Joins take one of two times, by luck: a worker's, as kubeadm looks at the kubelet twice a second, and a control plane's on some
# machines (11 or 17 s, of both tools). Few runs compare the one time with the other.
RUNS = {"worker": 9, "control plane": 7}
_ETCD = (
    "etcdctl", "--endpoints=https://127.0.0.1:2379", "--cacert=/etc/kubernetes/pki/etcd/ca.crt",
    "--cert=/etc/kubernetes/pki/etcd/healthcheck-client.crt", "--key=/etc/kubernetes/pki/etcd/healthcheck-client.key",
)  # fmt: skip


def rows(assets: Assets) -> Iterator[Row]:
    """Seconds of the command, each on a fresh node that leaves the cluster afterwards; then four workers one after the other."""
    programs = ["pykubeadm", "kubeadm"] if assets.program("kubeadm") else ["pykubeadm"]
    seed = seeded(assets)
    try:
        for kind, runs in RUNS.items():
            seconds: dict[str, list[float]] = {name: [] for name in programs}
            for _ in range(runs):
                for name in programs:
                    node = start(f"bench-{name}", assets=[assets])
                    try:
                        seconds[name].append(_join(seed, node, name, control_plane=kind != "worker"))
                    finally:
                        _leave(seed, node)
            yield Row(f"join as a {kind}", seconds["pykubeadm"], seconds.get("kubeadm"), "≤ 1.0 ×")
        yield from _nth(seed, assets)
    finally:
        seed.remove()


def _nth(seed: Node, assets: Assets) -> Iterator[Row]:
    """The first, second and fourth worker of a cluster: flat, as no other node is asked."""
    nodes: list[Node] = []
    try:
        for number in range(1, 5):
            nodes.append(start(f"bench-w{number}", assets=[assets]))
            seconds = _join(seed, nodes[-1], "pykubeadm", control_plane=False)
            if number in (1, 2, 4):
                yield Row(f"join as worker number {number}", [seconds], target="flat")
    finally:
        for node in nodes:
            node.remove()


def seeded(assets: Assets) -> Node:
    """A control plane whose nodes are Ready."""
    node = start("bench-seed", assets=[assets])
    documents = cluster.documents(assets.version, node.address)
    documents[1]["controlPlaneEndpoint"] = f"{node.address}:6443"
    node.write(cluster.CONFIG, yaml.safe_dump_all(documents))
    node.run("pykubeadm", "init", "--config", cluster.CONFIG, timeout=300)
    cluster.install_cni(node)
    cluster.wait_node_ready(node)
    return node


def _join(seed: Node, node: Node, program: str, *, control_plane: bool) -> float:
    words: Sequence[str] = seed.run("pykubeadm", "token", "create", "--print-join-command").stdout.split()[2:]
    if control_plane:
        said = seed.run("pykubeadm", "init", "phase", "upload-certs", "--upload-certs", timeout=120).stdout
        words = [*words, "--control-plane", "--certificate-key", re.findall(r"\b[0-9a-f]{64}\b", said)[-1]]
    ignored = [f"--ignore-preflight-errors={','.join(cluster.ignored_checks())}"] if cluster.ignored_checks() else []
    began = time.perf_counter()
    node.run(program, "join", *words, *ignored, timeout=300)
    return time.perf_counter() - began


def _leave(seed: Node, node: Node) -> None:
    """etcd lets nobody go until all members have been connected for five seconds (HealthInterval)."""
    for line in seed.run(*_ETCD, "member", "list").stdout.splitlines():
        if f" {node.name}," in line:
            cluster.eventually(partial(_remove_member, seed, line.split(",")[0]), f"etcd without {node.name}", 60)
    node.remove()
    kubectl(seed, "delete", "node", node.name, "--ignore-not-found")


def _remove_member(seed: Node, member: str) -> None:
    seed.run(*_ETCD, "member", "remove", member)
