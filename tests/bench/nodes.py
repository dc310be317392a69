"""What needs a node: `init` until the API answers and until it is done, beside real kubeadm on the same node image."""

from __future__ import annotations

import ssl
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator

import yaml

from lab import cluster
from lab.assets import Assets
from lab.node import Node, start
from tests.bench.timing import Row

RUNS = 3
_SECONDS = 180.0


def rows(assets: Assets) -> Iterator[Row]:
    """`init` of both tools, in turns, each on a fresh node."""
    programs = ["pykubeadm", "kubeadm"] if assets.program("kubeadm") else ["pykubeadm"]
    healthy: dict[str, list[float]] = {name: [] for name in programs}
    done: dict[str, list[float]] = {name: [] for name in programs}
    again: list[float] = []
    for _ in range(RUNS):
        for name in programs:
            node = start(f"bench-{name}", assets=[assets])
            try:
                until_healthy, until_done = _init(node, name, assets)
                healthy[name].append(until_healthy)
                done[name].append(until_done)
                if name == "pykubeadm":
                    again.append(_init(node, name, assets)[1])
            finally:
                node.remove()
    yield Row("init until the API is healthy", healthy["pykubeadm"], healthy.get("kubeadm"), "≤ 1.0 ×")
    yield Row("init until it is done", done["pykubeadm"], done.get("kubeadm"), "≤ 1.0 ×")
    yield Row("init again, nothing to do", again)


def _init(node: Node, program: str, assets: Assets) -> tuple[float, float]:
    """Seconds until /livez answers and until the command is done."""
    # kubeadm writes the flags of its default etcd whatever the tag says, for which the lab has an image that takes them
    tag = assets.etcd_tag if program == "pykubeadm" else None
    node.write(cluster.CONFIG, yaml.safe_dump_all(cluster.documents(assets.version, node.address, etcd_tag=tag)))
    began = time.perf_counter()
    process = node.start_process(program, "init", "--config", cluster.CONFIG)
    healthy = None
    while process.poll() is None:
        if healthy is None and is_healthy(node.address):
            healthy = time.perf_counter() - began
        if time.perf_counter() - began > _SECONDS:
            process.kill()
        time.sleep(0.05)
    done = time.perf_counter() - began
    output, _ = process.communicate()
    if process.returncode != 0:
        raise subprocess.CalledProcessError(process.returncode, [program, "init"], output)
    return healthy if healthy is not None else done, done


def is_healthy(address: str) -> bool:
    """Whether the API server there says that it is alive."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    try:
        with urllib.request.urlopen(f"https://{address}:6443/livez", timeout=1, context=context) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False
