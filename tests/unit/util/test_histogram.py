"""Histograms are read as Prometheus does."""

from __future__ import annotations

import pytest

from pykubeadm.util.histogram import histogram

TEXT = """\
# TYPE other_seconds histogram
other_seconds_bucket{le="+Inf"} 4
# TYPE fsync_seconds histogram
fsync_seconds_bucket{le="0.001"} 50
fsync_seconds_bucket{le="0.002"} 90
fsync_seconds_bucket{le="0.004"} 98
fsync_seconds_bucket{le="+Inf"} 100
fsync_seconds_sum 1.5
fsync_seconds_count 100
"""


@pytest.mark.parametrize(
    ("share", "seconds"), [(0.25, 0.0005), (0.5, 0.001), (0.7, 0.0015), (0.98, 0.004), (0.99, 0.004), (0.0, 0.0)]
)
def test_quantiles_are_in_proportion_between_two_bounds(share: float, seconds: float) -> None:
    assert histogram(TEXT, "fsync_seconds").quantile(share) == pytest.approx(seconds)


def test_one_that_is_not_there_has_counted_nothing() -> None:
    assert histogram(TEXT, "nothing_seconds").count == 0
    assert histogram(TEXT, "nothing_seconds").quantile(0.99) == 0
    assert histogram(TEXT, "fsync_seconds").count == 100
