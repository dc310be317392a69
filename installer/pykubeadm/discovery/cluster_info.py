"""How a node that joins comes to trust a cluster (kubeadm: app/discovery): a bootstrap token, or a kubeconfig file.

With a token: cluster-info is fetched from whoever answers, its signature by the token is checked, then the CA in it
against the pins, then it is fetched once more over that CA and must be the same. Nothing on the node is changed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TypeVar
from urllib.parse import urlsplit

from pykubeadm.config.section import DocumentError
from pykubeadm.discovery.anonymous import TOLERATED_SKEW, Answer, ClockError, EndpointError, ask
from pykubeadm.errors import ApiError
from pykubeadm.kubeconfig.read import read_kubeconfig
from pykubeadm.tokens.bootstrap import Token
from pykubeadm.tokens.jws import JWS_PREFIX, is_signed_with
from pykubeadm.transport.route import Dial
from pykubeadm.util.dataclass import dataclass
from pykubeadm.util.retry import RanOutError, every, try_again
from pykubeadm.util.timestamp import parse_timestamp

T = TypeVar("T")

CLUSTER_INFO = "/api/v1/namespaces/kube-public/configmaps/cluster-info"

_RETRY_INTERVAL = 1.0  # seconds
# The controller manager signs within a second of a token's creation, unless its leader changes: that takes the 15 seconds of a
# lease and a start.
_SIGNATURE = timedelta(seconds=30)
# Nodes may begin to join while the first control plane is being made: its API answers before `init` has come this far.
_BEING_MADE = timedelta(seconds=60)
_JOIN_COMMAND = "`pykubeadm token create --print-join-command` on a control plane prints a new join command"


@dataclass(frozen=True, slots=True)
class Cluster:
    """Where a cluster is and whom to trust there. `ca` is PEM; empty where the system's CAs are trusted, or with `insecure`
    whoever answers. `server_name` is the name that its certificate has where that is not the server's."""

    server: str
    ca: bytes
    insecure: bool = False
    server_name: str = ""
    proxy: str = ""


class _NotYetError(ApiError):
    """What the cluster does not have yet and may get by itself within `patience`."""

    def __init__(self, sentence: str, patience: timedelta) -> None:
        super().__init__(sentence)
        self.patience = patience


def discover_by_token(
    endpoint: str,
    token: Token,
    pins: Sequence[str],
    *,
    timeout: timedelta,
    now: Callable[[], datetime],
    report: Callable[[str], None],
    dial: Dial | None = None,
) -> Cluster:
    """The cluster at `endpoint` ("host:port"), trusted by `token` and, where there are any, `pins` ("sha256:<hex>" of a
    CA's SubjectPublicKeyInfo). Tries again until `timeout` while the endpoint may yet come up; `report` gets the reason.
    `dial` is that of a node's route. ApiError says in a sentence what does not fit and what to do."""
    server = f"https://{endpoint}"

    def signed_kubeconfig() -> str:
        info = _cluster_info(server, None, now, dial)
        return _signed(info, token, endpoint, young_for=_young_for(info, timeout, now()))

    kubeconfig = _patiently(signed_kubeconfig, timeout, report)
    cluster = _cluster_of(kubeconfig, endpoint)
    if pins:
        _check_pins(cluster.ca, pins, endpoint)

    def over_the_ca() -> Answer:
        return _cluster_info(server, cluster.ca, now, dial)

    again = _patiently(over_the_ca, timeout, report)
    if abs(again.ahead) > TOLERATED_SKEW:
        raise ClockError(endpoint, again.ahead)
    if _data(again).get("kubeconfig") != kubeconfig:
        raise EndpointError(
            f"cluster-info of {endpoint} changed between two requests: somebody stands between, or it was just changed; try again"
        )
    return cluster


def refresh_from_file(
    cluster: Cluster,
    *,
    timeout: timedelta,
    now: Callable[[], datetime],
    report: Callable[[str], None],
    dial: Dial | None = None,
) -> Cluster:
    """The cluster that a discovery file names, its TLS checked; a CA that is missing there is taken from cluster-info, and nobody
    else is trusted from then on. ApiError where that has none either."""

    def look() -> Answer:
        ca = None if cluster.insecure else cluster.ca
        return ask(cluster.server, CLUSTER_INFO, ca, now(), server_name=cluster.server_name, proxy=cluster.proxy, dial=dial)

    answer = _patiently(look, timeout, report)
    if abs(answer.ahead) > TOLERATED_SKEW:
        raise ClockError(urlsplit(cluster.server).netloc, answer.ahead)
    if cluster.ca:  # anonymous requests may be forbidden; the TLS connection was good
        return cluster
    kubeconfig = _data(answer).get("kubeconfig") if answer.status == 200 else None
    place = urlsplit(cluster.server).netloc
    ca = _cluster_of(kubeconfig, place).ca if kubeconfig else b""
    if not ca:
        raise EndpointError(
            f"the discovery file names no certificate authority, and cluster-info of {place} does not give one: put that of the "
            "cluster into the file (certificate-authority-data)"
        )
    return replace(cluster, ca=ca, insecure=False)


def _cluster_info(server: str, ca: bytes | None, now: Callable[[], datetime], dial: Dial | None) -> Answer:
    answer = ask(server, CLUSTER_INFO, ca, now(), dial=dial)
    place = urlsplit(server).netloc
    if answer.status == 404:
        raise _NotYetError(
            f"the cluster at {place} has no ConfigMap kube-public/cluster-info, so tokens cannot be used to find it: "
            "run `pykubeadm init phase bootstrap-token` on a control plane, or use --discovery-file",
            _BEING_MADE,
        )
    if answer.status in (401, 403):
        raise _NotYetError(
            f"the API server at {place} does not show cluster-info to anonymous requests ({answer.document.get('message')}): "
            "use --discovery-file, or allow it with `pykubeadm init phase bootstrap-token` on a control plane",
            _BEING_MADE,
        )
    if answer.status != 200:
        raise EndpointError(f"the API server at {place} answered {answer.status}: {answer.document.get('message')}")
    return answer


def _young_for(info: Answer, youth: timedelta, now: datetime) -> timedelta:
    """How much of its youth the cluster has left, by the clock of its API server; none where its age is not known."""
    try:
        made = parse_timestamp(info.document["metadata"]["creationTimestamp"])
    except (KeyError, TypeError, ValueError):
        return timedelta()
    return youth - (now + info.ahead - made)


def _data(info: Answer) -> Mapping[str, str]:
    """What is in the ConfigMap, if whoever answered has sent texts that can be written."""
    found = info.document.get("data")
    return {key: text for key, text in found.items() if _is_text(text)} if isinstance(found, dict) else {}


def _is_text(value: object) -> bool:
    """JSON can have halves of characters, which no bytes stand for."""
    return isinstance(value, str) and value.encode(errors="ignore").decode() == value


def _signed(info: Answer, token: Token, endpoint: str, *, young_for: timedelta) -> str:
    """The kubeconfig in cluster-info, whose signature by the token must be right to the byte. `young_for` is how much longer
    the cluster's controller manager may take for its first signature: it starts and elects a leader first."""
    data = _data(info)
    kubeconfig = data.get("kubeconfig")
    if not kubeconfig:
        raise _NotYetError(
            f"cluster-info of {endpoint} holds no kubeconfig: run `pykubeadm init phase bootstrap-token` on a control plane",
            _BEING_MADE,
        )
    signature = data.get(f"{JWS_PREFIX}{token.id}")
    if not signature:
        at_work = any(key.startswith(JWS_PREFIX) for key in data)
        raise _NotYetError(
            f"the bootstrap token {token.id} has expired or was deleted (cluster-info has no signature of it): {_JOIN_COMMAND}",
            _SIGNATURE if at_work else max(_SIGNATURE, young_for),
        )
    if not is_signed_with(signature, kubeconfig, token):
        raise EndpointError(
            f"cluster-info of {endpoint} is not signed with this token: the part after the dot of {token.id}.… is wrong, or "
            f"this is not the cluster you mean; {_JOIN_COMMAND}"
        )
    return kubeconfig


def _cluster_of(kubeconfig: str, endpoint: str) -> Cluster:
    """The cluster of cluster-info's kubeconfig, which names no context."""
    try:
        found = read_kubeconfig(kubeconfig.encode())
    except DocumentError as error:
        raise EndpointError(f"the kubeconfig in cluster-info of {endpoint} {error}") from error
    return Cluster(found.url, found.ca)


def _check_pins(ca: bytes, pins: Sequence[str], endpoint: str) -> None:
    from pykubeadm.pki.check import load_certificates
    from pykubeadm.tokens.pin import matches_pin, pin_of

    try:
        certificates = load_certificates(ca)
    except ValueError as error:
        raise EndpointError(f"the CA in cluster-info of {endpoint} {error}") from error
    if not any(matches_pin(certificate, pins) for certificate in certificates):
        found = ", ".join(pin_of(certificate) for certificate in certificates)
        raise EndpointError(
            f"the CA of the cluster at {endpoint} has the public key {found}, not {', '.join(pins)}: this is another cluster, "
            f"or the hash is wrong; {_JOIN_COMMAND}"
        )


def _patiently(call: Callable[[], T], timeout: timedelta, report: Callable[[str], None]) -> T:
    """The call's result; what may pass by itself is tried again for `timeout`, what the cluster does not have for less."""

    def patience(error: Exception, _spent: float) -> timedelta | None:
        if isinstance(error, _NotYetError):
            return min(error.patience, timeout)
        return timeout if isinstance(error, EndpointError) and error.transient else None

    try:
        return try_again(call, patience, pause=every(_RETRY_INTERVAL), report=lambda failure: report(str(failure)))
    except RanOutError as error:
        raise ApiError(str(error)) from error.__cause__
