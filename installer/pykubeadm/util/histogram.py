"""Histograms in metrics' text (Prometheus: exposition formats)."""

from __future__ import annotations

import math
import re
from itertools import pairwise

from pykubeadm.util.dataclass import dataclass


@dataclass(frozen=True, slots=True)
class Histogram:
    """`buckets` are (upper bound, how many were no more than that), in order, the last one's bound infinite."""

    buckets: tuple[tuple[float, float], ...]

    @property
    def count(self) -> float:
        return self.buckets[-1][1] if self.buckets else 0.0

    def quantile(self, share: float) -> float:
        """What that share of all did not exceed, between two bounds in proportion, as PromQL's histogram_quantile has it:
        past the last bound that one, 0 where nothing was counted."""
        rank = share * self.count
        for (low, below), (high, upto) in pairwise(((0.0, 0.0), *self.buckets)):
            if upto >= rank > below:
                return low if math.isinf(high) else low + (high - low) * (rank - below) / (upto - below)
        return 0.0


def histogram(text: str, name: str) -> Histogram:
    """That of `name`, of which there must be one; with no buckets where there is none. ValueError where a number is none."""
    found = re.findall(rf'^{re.escape(name)}_bucket\{{[^}}]*\ble="([^"]+)"[^}}]*\}} (\S+)', text, re.MULTILINE)
    return Histogram(tuple((float(bound), float(count)) for bound, count in found))
