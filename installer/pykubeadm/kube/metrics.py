"""An API server's own metrics, as text (Prometheus' exposition format)."""

from __future__ import annotations

from pykubeadm.errors import ApiError
from pykubeadm.kube.credentials import Credentials, authorization, tls_context
from pykubeadm.transport.http import UnansweredError, exchange

_TIMEOUT = 10.0  # seconds


def metrics(credentials: Credentials, server: str) -> str:
    """Those of the API server at this URL; ApiError where it gives none."""
    try:
        answer = exchange(f"{server}/metrics", headers=authorization(credentials), timeout=_TIMEOUT, tls=tls_context(credentials))
    except UnansweredError as error:
        raise ApiError(f"could not read the metrics of {server}: {error}") from error
    if answer.status != 200:
        raise ApiError(f"could not read the metrics of {server}: it answered {answer.status}")
    return answer.body.decode(errors="replace")
