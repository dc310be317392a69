"""One anonymous request to an API server's endpoint; each failure has its own sentence, with what to do about it.

Used before there is any trust: a node that joins has only an address and, later, a CA. Requests go straight to the
endpoint or through the proxy of a discovery file, never through one of the environment.
"""

from __future__ import annotations

import http.client
import json
import socket
import ssl
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from pykubeadm.errors import ApiError
from pykubeadm.pki.tls import client_context, unverified_context
from pykubeadm.transport.http import Response, UnansweredError, checked_url, exchange
from pykubeadm.transport.route import Dial
from pykubeadm.util.dataclass import dataclass

TIMEOUT = 10.0  # seconds for one request
# kubeadm backdates certificates by five minutes, so less than that does no harm (constants.CertificateBackdate).
TOLERATED_SKEW = timedelta(minutes=5)
# Where every API server answers with an object, if only with the Status that refuses it; what it says at /version is none.
ANY_PATH = "/api"

_NOT_YET_VALID, _EXPIRED, _HOSTNAME_MISMATCH, _IP_MISMATCH = 9, 10, 62, 64  # OpenSSL: x509_vfy.h, X509_V_ERR_*


class EndpointError(ApiError):
    """The endpoint is not an API server that can be used; `transient` where it may become one by itself."""

    def __init__(self, sentence: str, *, transient: bool = False) -> None:
        super().__init__(sentence)
        self.transient = transient


class ClockError(EndpointError):
    """This node's clock is so far from that of the API server at `place` that certificates are not accepted. `ahead` is positive
    where the API server's is ahead."""

    def __init__(self, place: str, ahead: timedelta) -> None:
        super().__init__(
            f"{clock_difference(place, ahead)}, so certificates would not be accepted: set it right (`timedatectl set-ntp true`, "
            "or `chronyc makestep`), then try again"
        )
        self.ahead = ahead


@dataclass(frozen=True, slots=True)
class Answer:
    """What an API server answered: HTTP status, JSON document, and how far its clock is ahead of ours."""

    status: int
    document: dict[str, Any]
    ahead: timedelta


def ask(
    server: str,
    path: str,
    ca: bytes | None,
    now: datetime,
    *,
    server_name: str = "",
    proxy: str = "",
    dial: Dial | None = None,
) -> Answer:
    """GET `path` of `server` (https://host:port). `ca` holds the trusted certificates (PEM), b"" stands for the system's,
    None trusts whoever answers. Its certificate has to be for `server_name` where that is given. EndpointError says why there is
    no answer of an API server, ApiError why `proxy` ("" for none) cannot be used; `dial` is that of a node's route."""
    url = checked_url(server)
    place = url.netloc
    try:
        context = unverified_context() if ca is None else client_context(ca or None, server_name)
    except ValueError as error:
        raise EndpointError(f"the CA by which {place} is to be known {error}") from error
    headers = {"Accept": "application/json", "User-Agent": "pykubeadm"}
    try:
        response = exchange(f"{server.rstrip('/')}{path}", headers=headers, timeout=TIMEOUT, tls=context, proxy=proxy, dial=dial)
    except UnansweredError as error:
        if isinstance(error.failure, ssl.SSLCertVerificationError):

            def ask_again() -> Answer:
                return ask(server, ANY_PATH, None, now, proxy=proxy, dial=dial)

            raise _untrusted(server_name or place, error.failure, ask_again) from error
        raise _unanswered(place, error) from error
    return _answer(place, response, now)


def _unanswered(place: str, error: UnansweredError) -> EndpointError:
    match error.failure:
        case ssl.SSLEOFError() | ConnectionResetError():
            sentence = (
                f"{place} closes connections before TLS begins, as a load balancer does with no API server behind it: check those"
            )
        case ssl.SSLError() | http.client.HTTPException():
            return EndpointError(
                f"{place} is not an API server's endpoint: {error}; check the port (6443 where nothing else was chosen)"
            )
        case socket.gaierror():
            sentence = (
                f"the name in {place} cannot be resolved on this node ({error}): check /etc/resolv.conf, /etc/hosts and the name "
                "itself"
            )
        case ConnectionRefusedError():
            sentence = (
                f"nothing listens at {place} (connection refused): check address and port, and on a control plane "
                "`crictl ps -a --name kube-apiserver`"
            )
        case _:
            sentence = f"{place} cannot be reached from this node ({error}): check address, routes and firewalls"
    return EndpointError(sentence, transient=True)


def _answer(place: str, response: Response, now: datetime) -> Answer:
    try:
        document = json.loads(response.body)
    except (ValueError, RecursionError):
        document = None
    if not isinstance(document, dict) or "kind" not in document:
        said = response.body[:80].decode(errors="replace").strip().splitlines()
        raise EndpointError(
            f"{place} is not an API server's endpoint: it answers with status {response.status}"
            + (f' and "{said[0]}"' if said else "")
            + "; check address and port (6443 where nothing else was chosen)",
            transient=response.status >= 500,  # a load balancer with no API server behind it
        )
    if response.status >= 500 or response.status == 429:
        raise EndpointError(f"the API server at {place} is not ready: {document.get('message', response.status)}", transient=True)
    return Answer(response.status, document, response.ahead(now))


def _untrusted(place: str, error: ssl.SSLCertVerificationError, ask_again: Callable[[], Answer]) -> EndpointError:
    """Why a certificate is not accepted; asks once more without trust what the server's clock says."""
    if error.verify_code in (_NOT_YET_VALID, _EXPIRED):
        return _untimely(place, ask_again, expired=error.verify_code == _EXPIRED)
    if error.verify_code in (_HOSTNAME_MISMATCH, _IP_MISMATCH):
        return EndpointError(
            f"the API server's certificate is not for {place}: use an address that it names, or add this one to "
            "apiServer.certSANs (`pykubeadm reconfigure` on the control planes)"
        )
    return EndpointError(
        f"{place} shows a certificate that the cluster's CA did not sign: this is another cluster's endpoint, or something "
        "stands between"
    )


def _untimely(place: str, ask_again: Callable[[], Answer], *, expired: bool) -> EndpointError:
    try:
        ahead = ask_again().ahead
    except EndpointError:
        ahead = timedelta()
    if abs(ahead) > TOLERATED_SKEW:
        return ClockError(place, ahead)
    if expired:
        return EndpointError(
            f"the certificate of the API server at {place} has expired: on its control plane run "
            "`pykubeadm certs renew apiserver`"
        )
    return EndpointError(f"the certificate of the API server at {place} is not valid yet: check the clocks (`timedatectl`)")


def clock_difference(place: str, ahead: timedelta) -> str:
    """The beginning of a sentence. `ahead` is positive where the API server's clock is ahead of this node's."""
    side = "behind" if ahead > timedelta() else "ahead of"
    return f"this node's clock is {_rounded(abs(ahead))} {side} that of the API server at {place}"


def _rounded(span: timedelta) -> str:
    seconds = span.total_seconds()
    for unit, length in (("days", 86400), ("hours", 3600), ("minutes", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:.0f} {unit}"
    return f"{seconds:.0f} seconds"
