"""A worker as users have it, with a kernel, a clock and cgroup v2 of its own, beside a control plane in a container: what can be
awaited where machines are emulated."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from lab import assets, cluster, vm
from lab.host import LabError
from lab.node import Node
from lab.vm import VirtualMachine
from tests.e2e.conftest import nodes_of
from tests.e2e.joining import connect, first_control_plane, join_command
from tests.e2e.verifying import doctor, one_by_one, said, shown

SECONDS = 900  # what an emulated machine does in its time


@dataclass(frozen=True)
class Pair:
    plane: Node
    worker: VirtualMachine


@pytest.fixture(scope="module")
def pair(kubernetes: assets.Assets, request: pytest.FixtureRequest) -> Iterator[Pair]:
    try:
        worker = vm.start("worker", assets=[kubernetes], beside_nodes=True)
    except LabError as problem:
        if "not installed" in str(problem):
            pytest.skip(f"{problem} (for virtual machines: `make setup-vm`)")
        raise
    try:
        with nodes_of(kubernetes, request) as new_node:
            plane = first_control_plane(new_node, kubernetes, "vmplane")
            worker.run("pykubeadm", "join", *join_command(plane), timeout=SECONDS)
            connect(plane, (plane, worker))
            cluster.wait_rolled_out(plane, "daemonset/kube-proxy", "deployment/coredns", seconds=SECONDS)
            yield Pair(plane, worker)
    finally:
        worker.remove()


def test_the_worker_has_cgroup_v2_alone(pair: Pair) -> None:
    assert pair.worker.shell("stat --file-system --format=%T /sys/fs/cgroup") == "cgroup2fs"
    assert pair.worker.shell("findmnt --types cgroup --noheadings || true") == ""


def test_every_row_is_shown(pair: Pair, results: list[str]) -> None:
    results += shown(one_by_one(pair.plane))


def test_doctor_finds_nothing(pair: Pair) -> None:
    assert said(doctor(pair.plane, timeout=SECONDS), "problem", "unknown") == []
    assert said(doctor(pair.worker, timeout=SECONDS), "problem", "unknown") == []


def test_a_clock_that_is_off(pair: Pair, results: list[str]) -> None:
    """The last test: it changes the machine's clock."""
    pair.worker.shell("systemctl stop systemd-timesyncd 2>/dev/null; date --set='+3 days'")
    here, there = said(doctor(pair.worker, timeout=SECONDS), "problem"), said(doctor(pair.plane, timeout=SECONDS), "problem")
    results.append(f"clock off: on the worker {here}, on the control plane {there}")
    server = f"{pair.plane.address}:6443"
    assert f"node/clock: this node's clock is 3 days ahead of that of the API server at {server}" in here
    assert [remark for remark in there if remark.startswith("cluster/clocks") and pair.worker.name in remark]
