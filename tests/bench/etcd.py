"""`etcd snapshot save` and `restore` of 100 MB on one control plane, beside etcd's own tool for what that does of it. kubeadm has
neither. The share of a restore that is waiting for Kubernetes is what remains without etcdutl and our own work."""

from __future__ import annotations

import time
from collections.abc import Iterator

import yaml

from lab import cluster
from lab.assets import Assets
from lab.node import Node, start
from tests.bench.nodes import is_healthy
from tests.bench.timing import Row
from tests.e2e.joining import ETCD

RUNS = 3
_MEGABYTE = 1000 * 1000
_OBJECTS = 100  # of one megabyte each
_PLACE = "/root/snapshot.db"


def rows(assets: Assets) -> Iterator[Row]:
    seconds: dict[str, list[float]] = {}

    def measured(what: str, began: float) -> None:
        seconds.setdefault(what, []).append(time.perf_counter() - began)

    node = start("bench-etcd", assets=[assets])
    try:
        node.write(cluster.CONFIG, yaml.safe_dump_all(cluster.documents(assets.version, node.address)))
        node.run("pykubeadm", "init", "--config", cluster.CONFIG, timeout=300)
        cluster.install_cni(node)
        cluster.wait_node_ready(node)
        _fill(node)
        for _ in range(RUNS):
            began = time.perf_counter()
            node.run("pykubeadm", "etcd", "snapshot", "save", "--keep", "1", timeout=120)
            measured("save", began)
            began = time.perf_counter()
            node.run(*ETCD, "snapshot", "save", _PLACE, timeout=120)
            measured("etcdctl save", began)
            began = time.perf_counter()
            node.shell(f"rm -rf /root/restored && etcdutl snapshot restore {_PLACE} --data-dir=/root/restored 2>&1", timeout=120)
            measured("etcdutl restore", began)
            measured("restore", _restore(node))
    finally:
        node.remove()
    yield Row("etcd snapshot save of 100 MB (peer: etcdctl)", seconds["save"], seconds["etcdctl save"])
    yield Row("etcd snapshot restore to a healthy API", seconds["restore"])
    yield Row("  of that, etcdutl alone", seconds["etcdutl restore"])


def _fill(node: Node) -> None:
    """Random data, which nothing compresses."""
    put = " ".join((*ETCD, "put"))
    value = f"head -c {_MEGABYTE * 3 // 4} /dev/urandom | base64 -w 0"
    node.shell(f"for n in $(seq {_OBJECTS}); do {value} | {put} /bench/$n >/dev/null; done", timeout=300)


def _restore(node: Node) -> float:
    """When it began; returns once the API answers."""
    name = node.shell("ls /var/lib/pykubeadm/snapshots").split()[-1]
    began = time.perf_counter()
    node.run("pykubeadm", "etcd", "snapshot", "restore", name, "--force", timeout=300)
    while not is_healthy(node.address):
        time.sleep(0.02)
    return began
