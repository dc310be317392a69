"""Warns of credentials that will not be good for long."""

from __future__ import annotations

from datetime import datetime, timedelta

from pykubeadm.kube.credentials import Credentials
from pykubeadm.pki.pem import certificate_blocks
from pykubeadm.util.age import age
from pykubeadm.util.der import not_after

WARN_WITHIN = timedelta(days=30)


def expiry_warning(credentials: Credentials, now: datetime) -> str | None:
    """A sentence where the client certificate expires within 30 days, or has; None where there is none, or it is in a file of
    its own, which its owner renews."""
    try:
        left = not_after(certificate_blocks(credentials.certificate)[0].content) - now
    except ValueError:
        return None
    if left >= WARN_WITHIN:
        return None
    how = f"expires in {age(left)}" if left > timedelta() else f"expired {age(-left)} ago"
    return f"the client certificate in {credentials.path} {how}: run `pykubeadm certs renew all` on each control plane"
