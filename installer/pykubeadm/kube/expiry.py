"""Warns of credentials that will not be good for long."""

from __future__ import annotations

from datetime import datetime, timedelta

from pykubeadm.kube.credentials import Credentials
from pykubeadm.kube.port import Api
from pykubeadm.pki.pem import certificate_blocks
from pykubeadm.util.age import age
from pykubeadm.util.der import validity

WARN_WITHIN = timedelta(days=30)


def expiry_warning(credentials: Credentials, now: datetime) -> str | None:
    """A sentence where the client certificate expires within 30 days, or has; None where there is none, or it is in a file of
    its own, which its owner renews."""
    try:
        _, end = validity(certificate_blocks(credentials.certificate)[0].content)
    except ValueError:
        return None
    return _warning(f"the client certificate in {credentials.path}", end - now)


def server_expiry_warning(api: Api, now: datetime) -> str | None:
    """The same of the certificate that the API server showed; None where it was not asked yet."""
    try:
        _, end = validity(api.server_certificate)
    except ValueError:
        return None
    return _warning(f"the certificate of the API server at {api.server}", end - now)


def _warning(what: str, left: timedelta) -> str | None:
    if left >= WARN_WITHIN:
        return None
    how = f"expires in {age(left)}" if left > timedelta() else f"expired {age(-left)} ago"
    return f"{what} {how}: run `pykubeadm certs renew all` on each control plane"
