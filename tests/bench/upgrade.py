"""`upgrade` beside real kubeadm, in turns on the same nodes. Each time all four static pods change settings, as their images do
with a version. The gap is the longest time in which the API server of a single control plane does not answer."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import yaml

from lab import cluster
from lab.assets import Assets
from lab.cluster import kubectl, kubectl_json
from lab.node import Node, start
from tests.bench.nodes import is_healthy
from tests.bench.timing import Row, on_node
from tests.e2e.joining import IGNORED, connect, first_control_plane, join, join_command

RUNS = 3
_TARGETS = {"upgrade plan": "≤ 1 s", "the API's gap in it": "≤ 1.0 ×"}
_Seconds = dict[str, dict[str, list[float]]]  # what → program → of each run


def rows(assets: Assets) -> Iterator[Row]:
    """One control plane alone: `plan`, `apply` and the gap. Then with another and a worker: `node` on each."""
    programs = ["pykubeadm", "kubeadm"] if assets.program("kubeadm") else ["pykubeadm"]
    nodes: list[Node] = []

    def new(name: str) -> Node:
        nodes.append(start(name, assets=[assets]))
        return nodes[-1]

    try:
        first = first_control_plane(new, assets, "bench-up")
        cluster.wait_rolled_out(first, "daemonset/kube-proxy", "deployment/coredns")
        yield from _rows(_alone(first, programs, assets.version))
        second, worker = new("bench-up2"), new("bench-upw")
        join(second, join_command(first, as_control_plane=True))
        join(worker, join_command(first))
        connect(first, nodes)
        yield from _rows(_others(first, second, worker, programs))
    finally:
        for node in nodes:
            node.remove()


def _rows(seconds: _Seconds) -> Iterator[Row]:
    for what, found in seconds.items():
        yield Row(what, found["pykubeadm"], found.get("kubeadm"), _TARGETS.get(what, "≤ 0.8 ×"))


def _alone(node: Node, programs: Sequence[str], version: str) -> _Seconds:
    plan, apply, gap = ({program: list[float]() for program in programs} for _ in range(3))
    for number in range(RUNS):
        for program in programs:
            _change_settings(node, 2 * number + (program == "kubeadm"))
            plan[program].append(_timed(node, program, "plan", version))
            with _gaps(node) as gaps:
                apply[program].append(_timed(node, program, "apply", version, "--yes", *IGNORED))
            gap[program].append(max(gaps))
    return {"upgrade plan": plan, "upgrade apply": apply, "the API's gap in it": gap}


def _others(first: Node, second: Node, worker: Node, programs: Sequence[str]) -> _Seconds:
    """What `upgrade node` goes by is what is stored, whether the first control plane has it or not."""
    control_plane, plain = ({program: list[float]() for program in programs} for _ in range(2))
    for number in range(RUNS):
        for program in programs:
            _change_settings(first, 100 + 2 * number + (program == "kubeadm"))
            control_plane[program].append(_timed(second, program, "node", *IGNORED))
            plain[program].append(_timed(worker, program, "node", *IGNORED))
    return {"upgrade node of a control plane": control_plane, "upgrade node of a worker": plain}


def _timed(node: Node, program: str, *words: str) -> float:
    return on_node(node, [program, "upgrade", *words], timeout=600).wall


def _change_settings(node: Node, number: int) -> None:
    """Other arguments for every static pod, in the configuration that upgrades read."""
    stored = kubectl_json(node, "--namespace=kube-system", "get", "configmap", "kubeadm-config")["data"]
    document = yaml.safe_load(stored["ClusterConfiguration"])
    for component in ("apiServer", "controllerManager", "scheduler"):
        document.setdefault(component, {})["extraArgs"] = [{"name": "v", "value": str(number % 4)}]
    document["etcd"]["local"]["extraArgs"] = [{"name": "snapshot-count", "value": str(10000 + number)}]
    body = yaml.safe_dump({"data": {"ClusterConfiguration": yaml.safe_dump(document)}})
    patch = ("patch", "configmap/kubeadm-config", "--type=merge", "--patch-file=/dev/stdin")
    kubectl(node, "--namespace=kube-system", *patch, stdin=body)


@contextmanager
def _gaps(node: Node) -> Iterator[list[float]]:
    """Seconds between an answer of the API server and the next, for all that passes meanwhile."""
    gaps, done = [0.0], threading.Event()

    def look() -> None:
        answered = time.perf_counter()
        while not done.is_set():
            if is_healthy(node.address):
                now = time.perf_counter()
                gaps.append(now - answered)
                answered = now
            time.sleep(0.02)

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield gaps
    finally:
        done.set()
        thread.join()
