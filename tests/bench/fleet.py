"""Whole clusters from a desk: `cluster apply` on machines that are prepared and on bare ones, beside a plain script that calls
real kubeadm over ssh where all is prepared; `cluster certs rotate-ca` on what was made."""

from __future__ import annotations

import json
import secrets
import subprocess
import time
from collections.abc import Iterator, Mapping

import yaml

from lab import cluster
from lab.assets import Assets
from lab.node import Node
from tests.bench.timing import Row
from tests.e2e.fleets import Desk, desk_of, ready_nodes

RUNS = 2
SIZES: Mapping[str, tuple[str, ...]] = {
    "1+1": ("control-plane", "worker"),
    "3+1": ("control-plane", "control-plane", "control-plane", "worker"),
}
_UNVERIFIED = "--discovery-token-unsafe-skip-ca-verification"
# Of `certs rotate-ca`, what is waiting for Kubernetes: its programs start again, its controllers come to what was changed.
_WAITS = frozenset({"restart", "kubelet", "verify", "cluster"})


def rows(assets: Assets) -> Iterator[Row]:
    """Seconds until all nodes are Ready, in turns."""
    rotations: list[tuple[float, float]] = []
    for size, parts in SIZES.items():
        prepared, bare, script = list[float](), list[float](), list[float]()
        for _ in range(RUNS):
            if assets.program("kubeadm"):
                with desk_of(assets) as desk:
                    script.append(_by_script(desk, _machines(desk, parts, bare=False)))
            with desk_of(assets) as desk:
                prepared.append(_apply(desk, _machines(desk, parts, bare=False)))
                if size == "3+1":
                    rotations.append(_rotate(desk))
            with desk_of(assets) as desk:
                bare.append(_apply(desk, _machines(desk, parts, bare=True)))
        peer = script or None
        yield Row(f"cluster apply {size}, prepared (peer: script)", prepared, peer, "≤ 1.0 ×")
        yield Row(f"cluster apply {size}, bare (peer: prepared)", bare, peer, "≤ 1.5 ×")
    yield Row("cluster certs rotate-ca of 3+1", [seconds for seconds, _ in rotations])
    yield Row("  of that, waiting for Kubernetes", [waits for _, waits in rotations])


def _machines(desk: Desk, parts: tuple[str, ...], *, bare: bool) -> dict[Node, str]:
    """Prepared ones have a pod network already."""
    machines = {desk.new(f"bench-f{number}", part, bare=bare): part for number, part in enumerate(parts)}
    if not bare:
        for number, node in enumerate(machines):
            node.write(cluster.CNI_CONFIG, _bridge(number))
        desk.more["network"] = {"plugin": "none"}
    desk.cluster["controlPlaneEndpoint"] = f"{next(iter(machines)).address}:6443"
    desk.write()
    return machines


def _apply(desk: Desk, machines: Mapping[Node, str]) -> float:
    began = time.perf_counter()
    desk.run("apply", timeout=900)
    _wait_ready(machines)
    return time.perf_counter() - began


def _wait_ready(machines: Mapping[Node, str]) -> None:
    first = next(iter(machines))
    while ready_nodes(first) != sorted(node.name for node in machines):
        time.sleep(0.1)


def _by_script(desk: Desk, machines: Mapping[Node, str]) -> float:
    """As kubeadm's guide has it: `init`, then one control plane after the other, then the workers. Token and key are chosen
    before it begins."""
    first, *others = machines
    token, key = "abcdef.0123456789abcdef", secrets.token_hex(32)
    documents = cluster.documents(desk.kubernetes.version, first.address)
    documents[0] |= {"bootstrapTokens": [{"token": token}], "certificateKey": key}
    documents[1] |= desk.cluster
    first.write(cluster.CONFIG, yaml.safe_dump_all(documents))
    ignored = f"--ignore-preflight-errors={','.join(cluster.ignored_checks())}"
    join = (
        "kubeadm",
        "join",
        f"{first.address}:6443",
        "--token",
        token,
        "--discovery-token-unsafe-skip-ca-verification",
        ignored,
    )
    began = time.perf_counter()
    _ssh(desk, first, "kubeadm", "init", "--upload-certs", "--config", cluster.CONFIG)
    for node in others:
        as_control_plane = ("--control-plane", "--certificate-key", key) if machines[node] == "control-plane" else ()
        _ssh(desk, node, *join, *as_control_plane)
    _wait_ready(machines)
    return time.perf_counter() - began


def _ssh(desk: Desk, node: Node, *command: str) -> None:
    argv = ["ssh", "-F", str(desk.folder / "ssh_config"), node.address, "sudo", *command]
    subprocess.run(argv, check=True, capture_output=True, timeout=600)


def _bridge(number: int) -> str:
    ipam = {"type": "host-local", "ranges": [[{"subnet": f"10.244.{number}.0/24"}]]}
    plugin = {"type": "bridge", "bridge": "cni0", "isGateway": True, "ipMasq": True, "ipam": ipam}
    return json.dumps({"cniVersion": "1.0.0", "name": "bridge", "plugins": [plugin]})


def _rotate(desk: Desk) -> tuple[float, float]:
    """Seconds of all that is rotated, to its end, and of that those of steps that wait for Kubernetes."""
    began, waits = time.perf_counter(), 0.0
    for options in (["all"], ["--finish"]):
        said = desk.run("certs", "rotate-ca", *options, "--output", "json", timeout=900).stdout
        for event in map(json.loads, said.splitlines()):
            if event["type"] == "node-progress" and event["step"].rpartition("/")[2] in _WAITS:
                waits += event["seconds"]
    return time.perf_counter() - began, waits
