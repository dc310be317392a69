from __future__ import annotations

from datetime import timedelta

import pytest

from pykubeadm.util.age import age


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (-2, "<invalid>"), (-1.5, "0s"), (0, "0s"), (119.9, "119s"), (120, "2m"), (299, "4m59s"), (600, "10m"), (10799, "179m"),
        (10800, "3h"), (28799, "7h59m"), (28800, "8h"), (172799, "47h"), (172800, "2d"), (360000, "4d4h"), (691199, "7d23h"),
        (691200, "8d"), (63071999, "729d"), (63072000, "2y"), (64_000_000, "2y10d"), (252288000, "8y"), (315359999, "9y"),
    ],
)  # fmt: skip
def test_as_kubectl_shows_it(seconds: float, shown: str) -> None:
    assert age(timedelta(seconds=seconds)) == shown
