from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime

import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import given, settings
from hypothesis import strategies as st

from pykubeadm.pki.issue import Subject, issue_ca
from pykubeadm.pki.keys import generate_key
from pykubeadm.pki.sans import Names
from pykubeadm.util.der import validity

KEY = generate_key("ECDSA-P256")


def der(subject: Subject) -> bytes:
    return issue_ca(subject, KEY).public_bytes(Encoding.DER)


GOOD = der(Subject("x", datetime(2026, 1, 1, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC), names=Names(dns=("x",))))


@settings(deadline=None)
@given(st.datetimes(datetime(1951, 1, 1), datetime(9999, 12, 31)), st.text("abcäöü:", min_size=1, max_size=200))  # noqa: DTZ001
def test_the_end_is_the_one_the_certificate_was_issued_with(end: datetime, name: str) -> None:
    end = end.replace(microsecond=0, tzinfo=UTC)
    subject = Subject(name, datetime(1950, 1, 1, tzinfo=UTC), end, names=Names(dns=("x",)))
    assert validity(der(subject)) == (subject.not_before, end)


@pytest.mark.parametrize("data", [b"", b"0\0", b"garbage"])
def test_what_is_no_certificate_is_said_to_be_none(data: bytes) -> None:
    with pytest.raises(ValueError, match="holds a certificate that cannot be read"):
        validity(data)


@given(st.binary(max_size=300))
def test_no_bytes_make_it_fail_otherwise(data: bytes) -> None:
    with pytest.raises(ValueError, match="holds a certificate"):
        validity(data)


@given(st.integers(0), st.binary(max_size=3))
def test_no_damage_makes_it_fail_otherwise(place: int, instead: bytes) -> None:
    start = place % len(GOOD)
    damaged = GOOD[:start] + instead + GOOD[start + len(instead) :]
    with suppress(ValueError):
        assert validity(damaged)[1].tzinfo is UTC
