"""The API servers of a cluster, each at its own address: the certificates that they show, and their clocks."""

from __future__ import annotations

import http.client
import ssl
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final

from pykubeadm.kube.port import Api, ApiUnreachableError
from pykubeadm.pki.tls import unverified_context
from pykubeadm.transport.http import UnansweredError, connection_to, exchange
from pykubeadm.util.ip import join_host_port

_TIMEOUT: Final = 5.0  # seconds


def api_servers(api: Api) -> list[tuple[str, str]]:
    """(address, URL) of each, as the Service "kubernetes" has them."""
    found: list[tuple[str, str]] = []
    slices = api.list("discovery.k8s.io/v1", "EndpointSlice", "default", labels={"kubernetes.io/service-name": "kubernetes"})
    for piece in slices:
        port = (piece.get("ports") or [{}])[0].get("port")
        addresses = [each for endpoint in piece.get("endpoints") or () for each in endpoint.get("addresses") or ()]
        found += [(address, f"https://{join_host_port(address, port)}") for address in addresses]
    return found


def shown_certificate(url: str) -> bytes:
    """What the server at `url` shows, DER, whether it is to be trusted or not; nothing is sent. ApiUnreachableError."""
    connection = connection_to(url, timeout=_TIMEOUT, tls=unverified_context())
    try:
        connection.connect()
        socket = connection.sock
        return (socket.getpeercert(binary_form=True) if isinstance(socket, ssl.SSLSocket) else None) or b""
    except (OSError, http.client.HTTPException) as error:
        raise ApiUnreachableError(f"no answer from {url}: {UnansweredError(error, _TIMEOUT)}") from error
    finally:
        connection.close()


def clock_ahead(url: str, now: Callable[[], datetime]) -> timedelta:
    """By how far the clock of the server at `url` is ahead of `now`, to a second; whether it is to be trusted or not, and
    whatever it answers. ApiUnreachableError."""
    try:
        answer = exchange(f"{url}/healthz", timeout=_TIMEOUT, tls=unverified_context())
    except UnansweredError as error:
        raise ApiUnreachableError(f"no answer from {url}: {error}") from error
    return answer.ahead(now())
