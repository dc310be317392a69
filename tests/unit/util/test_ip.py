from __future__ import annotations

import pytest

from pykubeadm.util.ip import address_in


@pytest.mark.parametrize(
    ("subnets", "first", "tenth"),
    [
        ("10.96.0.0/12", "10.96.0.1", "10.96.0.10"),
        ("fd00:10::/108,10.96.0.0/16", "fd00:10::1", "fd00:10::a"),
        ("10.96.3.7/16", "10.96.0.1", "10.96.0.10"),  # the host bits say nothing
        ("010.096.000.000/16", "10.96.0.1", "10.96.0.10"),  # as Kubernetes reads it: leading zeros are decimal
    ],
)
def test_an_address_is_counted_from_the_subnets_first(subnets: str, first: str, tenth: str) -> None:
    assert (address_in(subnets, 1), address_in(subnets, 10)) == (first, tenth)
