"""Health endpoints, asked from this machine."""

from __future__ import annotations

import json
import ssl
import time
from collections.abc import Sequence

from pykubeadm.errors import ApiError
from pykubeadm.node.port import HealthEndpoint
from pykubeadm.pki.tls import client_context, show_certificate, unverified_context
from pykubeadm.transport.http import UnansweredError, exchange

PROBE_TIMEOUT = 5.0  # seconds for one look
_INTERVAL = 0.02  # seconds between looks, more where looking takes long itself: a slow machine shall come up, not answer us
_PAUSE_SHARE = 10  # times what the look took
_LONGEST_PAUSE = 0.5  # seconds
_SHOWN = 200  # characters of an unhealthy answer that are worth showing


def unhealthy(endpoints: Sequence[HealthEndpoint], patience: float = 0.0) -> tuple[str, ...]:
    """As `Node.unhealthy`."""
    end = time.monotonic() + patience
    contexts: dict[HealthEndpoint, ssl.SSLContext] = {}
    reasons: dict[HealthEndpoint, str] = {}
    while True:
        began = time.monotonic()
        for endpoint in endpoints:
            if reasons.get(endpoint, "not asked yet"):
                reasons[endpoint] = look(endpoint, contexts)
        took = time.monotonic() - began
        pause = min(max(_INTERVAL, _PAUSE_SHARE * took), _LONGEST_PAUSE)
        if not any(reasons.values()) or time.monotonic() + pause >= end:
            return tuple(reasons[endpoint] for endpoint in endpoints)
        time.sleep(pause)


def look(endpoint: HealthEndpoint, contexts: dict[HealthEndpoint, ssl.SSLContext]) -> str:
    """The reason why it is not healthy, "" where it answers 200."""
    try:
        if endpoint not in contexts:
            contexts[endpoint] = _context(endpoint)
        answer = exchange(endpoint.url, timeout=PROBE_TIMEOUT, tls=contexts[endpoint])
    except (UnansweredError, ApiError, ValueError) as error:
        return str(error)
    return "" if answer.status == 200 else why_unhealthy(answer.status, answer.body.decode(errors="replace"))


def _context(endpoint: HealthEndpoint) -> ssl.SSLContext:
    context = client_context(endpoint.ca) if endpoint.ca else unverified_context()
    if endpoint.certificate and endpoint.key:
        show_certificate(context, endpoint.certificate, endpoint.key)
    return context


def why_unhealthy(status: int, body: str) -> str:
    """Of an answer other than 200: the failed checks that a health endpoint lists as "[-]etcd failed: reason withheld", else how
    it begins."""
    failed = [line[3:].split(" failed")[0] for line in body.splitlines() if line.startswith("[-]")]
    if failed:
        return f"status {status}, not healthy yet: {', '.join(failed)}"
    try:
        said = str(json.loads(body)["message"])  # a metav1.Status
    except (ValueError, KeyError, TypeError):
        said = body.strip()
    first = said.splitlines()[0][:_SHOWN] if said else ""
    return f"status {status}: {first}" if first else f"status {status}"
