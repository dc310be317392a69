"""Timing of whole commands, and the table that compares them."""

from __future__ import annotations

import os
import statistics
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from lab.machine import Machine

HEADER = f"{'minimum / median / maximum in seconds (runs)':<46} {'pykubeadm':>26} {'kubeadm':>26} {'ratio':>8}  target"


@dataclass(frozen=True)
class Row:
    """One line of the table; seconds of each run, `peer` is None where real kubeadm is not there."""

    what: str
    ours: list[float]
    peer: list[float] | None = None
    target: str = ""

    def __str__(self) -> str:
        """The ratio is that of the medians."""
        ratio = f"{statistics.median(self.ours) / statistics.median(self.peer):.2f} ×" if self.peer else ""
        peer = _spread(self.peer) if self.peer else "–"
        return f"{self.what:<46} {_spread(self.ours):>26} {peer:>26} {ratio:>8}  {self.target}".rstrip()


def _spread(seconds: Sequence[float]) -> str:
    return f"{min(seconds):.2f} / {statistics.median(seconds):.2f} / {max(seconds):.2f} ({len(seconds)})"


class Spent(NamedTuple):
    """Seconds until a command ended, and those of processors that it and its children took: on a machine that is shared the
    former say as much of the others. A daemon's that it asks to work are not among them."""

    wall: float
    cpu: float


def on_node(node: Machine, argv: Sequence[str], *, timeout: float = 60.0) -> Spent:
    """As the node's shell takes them: what starts a process in a container costs as much as a short command. What it printed
    where it failed is the error."""
    script = (
        f"TIMEFORMAT='%R %U %S'; {{ time {' '.join(argv)} >/dev/null 2>/tmp/said; }} 2>&1 || {{ cat /tmp/said >&2; exit 1; }}"
    )
    wall, user, system = map(float, node.run("bash", "-c", script, timeout=timeout).stdout.split())
    return Spent(wall, user + system)


def spent_rows(what: str, spent: Mapping[str, Sequence[Spent]], target: str) -> Iterator[Row]:
    """Two lines, of what each of "pykubeadm" and "kubeadm" (where it is there) spent."""
    ours, peer = spent["pykubeadm"], spent.get("kubeadm", ())
    yield Row(what, [each.wall for each in ours], [each.wall for each in peer] or None, target)
    yield Row(f"{what}, of processors", [each.cpu for each in ours], [each.cpu for each in peer] or None)


def command(argv: Sequence[str], *, runs: int, before: Callable[[], None] = lambda: None) -> list[float]:
    """Seconds of each run of `argv`, which must succeed. Python keeps its bytecode, as it does of an installed package."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    seconds = []
    for _ in range(runs):
        before()
        began = time.perf_counter()
        subprocess.run(argv, check=True, capture_output=True, env=environment)
        seconds.append(time.perf_counter() - began)
    return seconds
