from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pykubeadm.pki.issue import Subject, encode_certificate, issue_ca
from pykubeadm.pki.keys import generate_key
from pykubeadm.pki.sans import Names
from pykubeadm.util.der import not_after

KEY = generate_key("ECDSA-P256")


@settings(deadline=None)
@given(st.datetimes(datetime(1951, 1, 1), datetime(9999, 12, 31)), st.text("abcäöü:", min_size=1, max_size=200))  # noqa: DTZ001
def test_the_end_is_the_one_the_certificate_was_issued_with(end: datetime, name: str) -> None:
    end = end.replace(microsecond=0, tzinfo=UTC)
    subject = Subject(name, datetime(1950, 1, 1, tzinfo=UTC), end, names=Names(dns=("x",)))
    assert not_after(encode_certificate(issue_ca(subject, KEY))) == end


@pytest.mark.parametrize(
    "text",
    [
        "",
        "garbage",
        "-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----",
        "-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----",
    ],
)
def test_what_is_no_certificate_is_said_to_be_none(text: str) -> None:
    with pytest.raises(ValueError, match="holds no certificate that can be read"):
        not_after(text.encode())


@given(st.binary(max_size=300))
def test_no_bytes_make_it_fail_otherwise(data: bytes) -> None:
    import base64

    pem = b"-----BEGIN CERTIFICATE-----\n" + base64.encodebytes(data) + b"-----END CERTIFICATE-----"
    with pytest.raises(ValueError, match="holds no certificate"):
        not_after(pem)
