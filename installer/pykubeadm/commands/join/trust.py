"""Which cluster this node joins and with whose credentials: its own of an earlier run, or those that discovery gives."""

from __future__ import annotations

import base64
import os
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from pykubeadm.config.section import DocumentError
from pykubeadm.constants import KUBELET_DIR, KUBELET_FLAGS_ENV, KUBERNETES_DIR
from pykubeadm.discovery.cluster_info import Cluster, discover_by_token, refresh_from_file
from pykubeadm.errors import ApiError, PhaseError, without_passwords_in_urls
from pykubeadm.kube.client import ClusterApi
from pykubeadm.kube.credentials import Credentials, parse_kubeconfig
from pykubeadm.kubeconfig.document import for_cluster
from pykubeadm.kubeconfig.embed import embedded
from pykubeadm.kubeconfig.read import has_credentials, usable_kubeconfig
from pykubeadm.tokens.bootstrap import parse_token
from pykubeadm.transport.download import download
from pykubeadm.transport.proxies import without_password
from pykubeadm.util.dataclass import dataclass
from pykubeadm.util.yaml_output import to_yaml

if TYPE_CHECKING:
    from pykubeadm.config.model import JoinConfiguration
    from pykubeadm.kube.port import Api
    from pykubeadm.node.journal import Journal
    from pykubeadm.node.port import Looked, Node

KUBELET_CONF = f"{KUBERNETES_DIR}/kubelet.conf"
CLIENT_CERTIFICATE = f"{KUBELET_DIR}/pki/kubelet-client-current.pem"  # the kubelet's, as it keeps it
ADMIN_CONF = f"{KUBERNETES_DIR}/admin.conf"
BOOTSTRAP_USER = "tls-bootstrap-token-user"
_NODE_USER = "system:node:"
_LONGEST_FILE = 3 * 1024 * 1024  # bytes

Say = Callable[[str, str], None]  # level, message


@dataclass(frozen=True, slots=True)
class Trust:
    """A cluster and a user it knows. `own` says that the user is this node, which so has joined before."""

    cluster: Mapping[str, Any]
    user: Mapping[str, Any]
    user_name: str
    source: str  # for messages
    own: bool = False

    @property
    def ca(self) -> bytes:
        """PEM; empty where the system's CAs are trusted."""
        return base64.b64decode(self.cluster.get("certificate-authority-data") or "")

    @property
    def node_name(self) -> str:
        """The node's name in the cluster, by its certificate; empty where there is none of a node."""
        names = _common_names(base64.b64decode(self.user.get("client-certificate-data") or ""))
        return next((name.removeprefix(_NODE_USER) for name in names if name.startswith(_NODE_USER)), "")

    def issued(self, certificate: bytes, key: bytes, node_name: str, now: datetime) -> bool:
        """Whether this cluster's CA gave the node of that name this `certificate` (PEM, as `key`), and both are good."""
        from pykubeadm.pki.check import is_for_key, is_signed_by, load_certificates, period_problem
        from pykubeadm.pki.keys import load_private_key

        try:
            first, *rest = load_certificates(certificate)
            signed = not self.ca or any(is_signed_by(first, rest, ca) for ca in load_certificates(self.ca))
            whole = is_for_key(first, load_private_key(key))
        except ValueError:
            return False
        return (
            signed and whole and f"{_NODE_USER}{node_name}" in _common_names(certificate) and period_problem(first, now) is None
        )

    def kubeconfig(self, cluster_name: str, server: str = "") -> bytes:
        """As a file; `server` takes the place of the cluster's."""
        cluster = dict(self.cluster) | ({"server": server} if server else {})
        return to_yaml(for_cluster(cluster_name, cluster, self.user_name, self.user)).encode()

    def elsewhere(self, join: JoinConfiguration) -> tuple[Trust, ...]:
        """The same at the endpoint that was given: a control plane's kubelet.conf leads to its own API server, perhaps down."""
        by_token = join.discovery.bootstrap_token
        if by_token is None:
            return ()
        return (replace(self, cluster={**self.cluster, "server": f"https://{by_token.api_server_endpoint}"}),)

    @property
    def credentials(self) -> Credentials:
        """To connect with; ApiError where nobody could."""
        return parse_kubeconfig(self.kubeconfig("kubernetes"), self.source)

    def api(self, join: JoinConfiguration, node: Node) -> Api:
        """The cluster as `node` reaches it."""
        return ClusterApi(self.credentials, call_timeout=join.timeouts.kubernetes_api_call, route=node.route)


def of_earlier_run(join: JoinConfiguration, node: Node, journal: Journal) -> Trust | None:
    """The kubelet's own credentials, where an earlier run of ours got that far."""
    if not journal.owns(KUBELET_FLAGS_ENV):
        return None
    try:
        trust = own_credentials(node)
    except PhaseError:
        return None  # written half, or its certificate is gone: discovery and `member.as_member` find out whose it is
    if trust is not None:
        _check_same_cluster(join, trust, KUBELET_CONF)
    return trust


def own_credentials(node: Looked) -> Trust | None:
    """The kubelet's, None where it has none yet; PhaseError where its files are there in part."""
    return _from_file(node, KUBELET_CONF, own=True)


def of_administrator(join: JoinConfiguration, node: Node) -> Trust | None:
    """admin.conf, with which kubeadm skips discovery too: single phases of a control plane's join need no token."""
    trust = _from_file(node, ADMIN_CONF, own=False) if join.control_plane else None
    if trust is not None:
        _check_same_cluster(join, trust, ADMIN_CONF)
    return trust


def discover(
    join: JoinConfiguration, node: Node, *, now: Callable[[], datetime], report: Callable[[str], None], say: Say
) -> Trust:
    """By token or file, as the configuration wants it; ApiError or PhaseError with what does not fit."""
    by_token, file = join.discovery.bootstrap_token, join.discovery.file
    timeout = join.timeouts.discovery
    if by_token is not None:
        if by_token.unsafe_skip_ca_verification and not by_token.ca_cert_hashes:
            say(
                "warning",
                f"the CA of {by_token.api_server_endpoint} is not checked against a hash: whoever knows the token could "
                "pretend to be the cluster",
            )
        found = discover_by_token(
            by_token.api_server_endpoint,
            parse_token(by_token.token),
            by_token.ca_cert_hashes,
            timeout=timeout,
            now=now,
            report=report,
            dial=node.route.dial,
        )
        cluster = {"certificate-authority-data": base64.b64encode(found.ca).decode("ascii"), "server": found.server}
        user = {"token": join.discovery.tls_bootstrap_token}
        return Trust(cluster, user, BOOTSTRAP_USER, f"the cluster-info of {by_token.api_server_endpoint}")
    if file is None:
        raise PhaseError(
            f"it is not known which cluster to join: there is no {ADMIN_CONF}, and neither an endpoint with a token nor a "
            "discovery file is given"
        )
    is_url = urlsplit(file.kube_config_path).scheme == "https"
    path = without_passwords_in_urls(file.kube_config_path) if is_url else os.path.abspath(file.kube_config_path)
    content = _download(file.kube_config_path) if is_url else node.read(path)
    if content is None:
        raise PhaseError(f"there is no file {path}")
    trust = _parse(node, content, path, own=False)
    if trust.cluster.get("insecure-skip-tls-verify"):
        say(
            "warning",
            f"{path} says insecure-skip-tls-verify: who answers at {trust.cluster['server']} is not checked before its CA is "
            "trusted",
        )
    named = Cluster(
        trust.cluster["server"],
        trust.ca,
        insecure=bool(trust.cluster.get("insecure-skip-tls-verify")),
        server_name=str(trust.cluster.get("tls-server-name") or ""),
        proxy=str(trust.cluster.get("proxy-url") or ""),
    )
    ca = refresh_from_file(named, timeout=timeout, now=now, report=report, dial=node.route.dial).ca
    described: dict[str, Any] = {**trust.cluster, "certificate-authority-data": base64.b64encode(ca).decode("ascii")}
    described.pop("insecure-skip-tls-verify", None)  # from here on the CA is known
    if join.discovery.tls_bootstrap_token:
        return Trust(described, {"token": join.discovery.tls_bootstrap_token}, BOOTSTRAP_USER, path)
    if not has_credentials(trust.user):
        raise PhaseError(f"{path} holds no credentials for the kubelet to begin with: give --tls-bootstrap-token as well")
    return Trust(described, trust.user, trust.user_name, path)


def _common_names(certificate: bytes) -> list[str]:
    from cryptography.x509.oid import NameOID

    from pykubeadm.pki.check import load_certificates

    try:
        subject = load_certificates(certificate)[0].subject
    except ValueError:
        return []
    return [str(attribute.value) for attribute in subject.get_attributes_for_oid(NameOID.COMMON_NAME)]


def _from_file(node: Looked, path: str, *, own: bool) -> Trust | None:
    content = node.read(path)
    return None if content is None else _parse(node, content, path, own=own)


def _parse(node: Looked, content: bytes, path: str, *, own: bool) -> Trust:
    try:
        kubeconfig = usable_kubeconfig(content)
        cluster, user = embedded(kubeconfig, path, node.read)
    except DocumentError as error:
        raise PhaseError(f"{path} {error}") from error
    if not kubeconfig.url.startswith("https://"):  # credentials go there
        raise PhaseError(f'{path} names the server "{without_password(kubeconfig.server)}", which is not an https URL')
    return Trust({**cluster, "server": kubeconfig.url}, user, kubeconfig.user_name or "user", path, own)


def _check_same_cluster(join: JoinConfiguration, trust: Trust, path: str) -> None:
    """The pins of the command line hold for what an earlier run left, too: it may have joined another cluster."""
    by_token = join.discovery.bootstrap_token
    if by_token is None or not by_token.ca_cert_hashes:
        return
    from pykubeadm.pki.check import load_certificates
    from pykubeadm.tokens.pin import matches_pin

    try:
        certificates = load_certificates(trust.ca)
    except ValueError as error:
        raise PhaseError(f"the certificate authority in {path} {error}") from error
    if not any(matches_pin(certificate, by_token.ca_cert_hashes) for certificate in certificates):
        raise PhaseError(
            f"{path} belongs to another cluster ({trust.cluster.get('server')}) than the one with the given CA hash, and a node "
            "is in one cluster: give the hash of that one, put back the file if it was exchanged, or join with another machine"
        )


def _download(url: str) -> bytes:
    """A discovery file over HTTPS."""
    try:
        return download(url, timeout=30, at_most=_LONGEST_FILE)
    except OSError as error:
        raise ApiError(f"the discovery file {url} cannot be downloaded: {error}") from error
