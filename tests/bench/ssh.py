"""A worker's `join` from the desk, over a link with 50 ms delay, beside the same on the node itself; and what it waits for."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from lab import cluster
from lab.assets import Assets
from lab.cluster import kubectl
from lab.node import Node, start
from pykubeadm.commands.join.command import join
from pykubeadm.commands.join.phases import PHASES
from pykubeadm.node.ssh import SshNode, connect
from pykubeadm.workflow.events import Event, PhaseStarted
from pykubeadm.workflow.phase import without
from tests.bench.join import seeded
from tests.bench.timing import Row
from tests.support.slow_link import slow_link
from tests.support.ssh_nodes import Desk

DELAY = 0.05  # seconds that each message to the node takes
RUNS = 3


def rows(assets: Assets) -> Iterator[Row | str]:
    """The rows, and a line with the round trips of each phase of the last run."""
    here: list[float] = []
    there: list[float] = []
    trips: dict[str, int] = {}
    seed = seeded(assets)
    try:
        with tempfile.TemporaryDirectory() as folder:
            for _ in range(RUNS):
                here.append(_on_fresh_node(seed, assets, _on_the_node))
                there.append(
                    _on_fresh_node(seed, assets, lambda node, words: _from_the_desk(Desk(Path(folder)), node, words, trips))
                )
    finally:
        seed.remove()
    yield Row("join as a worker, on the node", here)
    yield Row("join over 50 ms", there, target="≤ on the node + 3 s")
    yield "round trips: " + ", ".join(f"{phase} {count}" for phase, count in trips.items()) + f"; {sum(trips.values())} in all"


def _on_fresh_node(seed: Node, assets: Assets, work: Callable[[Node, list[str]], float]) -> float:
    words = seed.run("pykubeadm", "token", "create", "--print-join-command").stdout.split()[2:]
    node = start("bench-ssh", assets=[assets])
    try:
        return work(node, words)
    finally:
        node.remove()
        kubectl(seed, "delete", "node", node.name, "--ignore-not-found")


def _on_the_node(node: Node, words: list[str]) -> float:
    ignored = [f"--ignore-preflight-errors={','.join(cluster.ignored_checks())}"] if cluster.ignored_checks() else []
    began = time.perf_counter()
    node.run("pykubeadm", "join", *words, *ignored, timeout=300)
    return time.perf_counter() - began


def _from_the_desk(desk: Desk, node: Node, words: list[str], trips: dict[str, int]) -> float:
    """From the first packet to the end; `trips` gets the round trips of messages to the node by phase."""
    settings = desk.admit(node)
    options: dict[str, Any] = {
        "api_server_endpoint": words[0],
        "token": words[words.index("--token") + 1],
        "discovery_token_ca_cert_hash": (words[words.index("--discovery-token-ca-cert-hash") + 1],),
        "discovery_file": None,
        "ignore_preflight_errors": tuple(cluster.ignored_checks()),
    }
    trips.clear()
    with slow_link((node.address, 22), DELAY) as link:
        began = time.perf_counter()
        with connect(desk.through(node, settings, link.port)) as reached:
            counter = _Counter(reached, trips)
            join(options, counter, choose=lambda skip: without(PHASES, skip), machine=reached)
            counter.note("")
        return time.perf_counter() - began


class _Counter:
    """A subscriber that notes how many round trips each phase took."""

    def __init__(self, node: SshNode, trips: dict[str, int]) -> None:
        self._node, self._trips = node, trips
        self._phase, self._before = "before", 0

    def __call__(self, event: Event) -> None:
        if isinstance(event, PhaseStarted):
            self.note(event.phase)

    def note(self, following: str) -> None:
        self._trips[self._phase] = self._node.round_trips - self._before
        self._phase, self._before = following, self._node.round_trips
