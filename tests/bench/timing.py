"""Timing of whole commands, and the table that compares them."""

from __future__ import annotations

import statistics
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Row:
    """One line of the table; seconds, `peer` is None where real kubeadm is not there."""

    what: str
    ours: list[float]
    peer: list[float] | None = None
    target: str = ""

    def __str__(self) -> str:
        ours = statistics.median(self.ours)
        line = f"{self.what:<44} {ours:>9.3f} s"
        if self.peer:
            peer = statistics.median(self.peer)
            line += f" {peer:>9.3f} s {ours / peer:>7.2f} ×"
        else:
            line += f" {'–':>11} {'':>9}"
        return f"{line}  {self.target}".rstrip()


HEADER = f"{'median of the runs':<44} {'pykubeadm':>11} {'kubeadm':>11} {'ratio':>9}  target"


def command(argv: Sequence[str], *, runs: int, before: Callable[[], None] = lambda: None) -> list[float]:
    """Seconds of each run of `argv`, which must succeed."""
    seconds = []
    for _ in range(runs):
        before()
        began = time.perf_counter()
        subprocess.run(argv, check=True, capture_output=True)
        seconds.append(time.perf_counter() - began)
    return seconds
