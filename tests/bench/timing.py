"""Timing of whole commands, and the table that compares them."""

from __future__ import annotations

import os
import statistics
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

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
