from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from pykubeadm.kube.credentials import Credentials
from pykubeadm.kube.expiry import expiry_warning
from pykubeadm.pki.issue import Subject, encode_certificate, issue_leaf
from pykubeadm.pki.keys import generate_key
from tests.support.servers import authority

NOW = datetime(2026, 3, 4, tzinfo=UTC)
KEY = generate_key("ECDSA-P256").public_key()


def warning(left: timedelta) -> str | None:
    certificate = issue_leaf(Subject("admin", NOW - timedelta(days=300), NOW + left), KEY, authority())
    return expiry_warning(Credentials("https://192.0.2.1:6443", "/a.conf", certificate=encode_certificate(certificate)), NOW)


@pytest.mark.parametrize(
    ("left", "said"),
    [
        (timedelta(days=29), "expires in 29d:"),
        (timedelta(hours=1), "expires in 60m:"),
        (-timedelta(days=2), "expired 2d ago:"),
    ],
)
def test_a_certificate_with_less_than_thirty_days_left_is_warned_of(left: timedelta, said: str) -> None:
    assert warning(left) == f"the client certificate in /a.conf {said} run `pykubeadm certs renew all` on each control plane"


def test_others_are_not() -> None:
    assert warning(timedelta(days=30)) is None
    assert expiry_warning(Credentials("https://192.0.2.1:6443", user={"token": "t"}), NOW) is None
