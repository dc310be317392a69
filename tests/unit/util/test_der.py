from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID
from hypothesis import given, settings
from hypothesis import strategies as st

from pykubeadm.pki.issue import Subject, issue_ca
from pykubeadm.pki.keys import generate_key
from pykubeadm.pki.sans import Names
from pykubeadm.util.der import common_names, validity

KEY = generate_key("ECDSA-P256")
# A certificate's names have at most 64 bytes.
NAMES = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=64).map(
    lambda text: text.encode()[:64].decode(errors="ignore")
)


def der(subject: Subject) -> bytes:
    return issue_ca(subject, KEY).public_bytes(Encoding.DER)


GOOD = der(Subject("x", datetime(2026, 1, 1, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC), names=Names(dns=("x",))))


@settings(deadline=None)
@given(st.datetimes(datetime(1951, 1, 1), datetime(9999, 12, 31)), st.text("abcäöü:", min_size=1, max_size=200))  # noqa: DTZ001
def test_the_end_is_the_one_the_certificate_was_issued_with(end: datetime, name: str) -> None:
    end = end.replace(microsecond=0, tzinfo=UTC)
    subject = Subject(name, datetime(1950, 1, 1, tzinfo=UTC), end, names=Names(dns=("x",)))
    assert validity(der(subject)) == (subject.not_before, end)


@given(st.lists(st.tuples(st.sampled_from([NameOID.COMMON_NAME, NameOID.ORGANIZATION_NAME]), NAMES), min_size=1, max_size=5))
def test_whom_it_names_is_whom_it_was_issued_to(attributes: list[tuple[x509.ObjectIdentifier, str]]) -> None:
    name = x509.Name([x509.NameAttribute(kind, text) for kind, text in attributes])
    builder = x509.CertificateBuilder(name, name, KEY.public_key(), 1, datetime(2026, 1, 1), datetime(2027, 1, 1))  # noqa: DTZ001
    certificate = builder.sign(KEY, SHA256()).public_bytes(Encoding.DER)
    assert common_names(certificate) == [text for kind, text in attributes if kind == NameOID.COMMON_NAME]


@pytest.mark.parametrize("data", [b"", b"0\0", b"garbage"])
def test_what_is_no_certificate_is_said_to_be_none(data: bytes) -> None:
    for read in (validity, common_names):
        with pytest.raises(ValueError, match="holds a certificate that cannot be read"):
            read(data)


@given(st.binary(max_size=300))
def test_no_bytes_make_it_fail_otherwise(data: bytes) -> None:
    for read in (validity, common_names):
        with pytest.raises(ValueError, match="holds a certificate"):
            read(data)


@given(st.integers(0), st.binary(max_size=3))
def test_no_damage_makes_it_fail_otherwise(place: int, instead: bytes) -> None:
    start = place % len(GOOD)
    damaged = GOOD[:start] + instead + GOOD[start + len(instead) :]
    with suppress(ValueError):
        assert validity(damaged)[1].tzinfo is UTC
    with suppress(ValueError):
        assert isinstance(common_names(damaged), list)
