"""What --drain-timeout takes."""

from __future__ import annotations

from datetime import timedelta

import pytest

from pykubeadm.errors import UsageError
from pykubeadm.phases.cluster.drain_timeout import drain_timeout


def test_a_time_to_leave() -> None:
    assert drain_timeout("90s") == timedelta(seconds=90)
    assert drain_timeout(None) == timedelta(minutes=5)


@pytest.mark.parametrize(
    ("given", "said"),
    [("soon", "is not a duration"), ("-5m", "leaves pods no time"), ("0", "leaves pods no time"), ("0s", "leaves pods no time")],
)
def test_what_leaves_no_time_is_refused_before_a_node_is_cordoned(given: str, said: str) -> None:
    with pytest.raises(UsageError, match=f'--drain-timeout: "{given}" {said}'):
        drain_timeout(given)
