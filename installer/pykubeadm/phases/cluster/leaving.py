"""A node leaves its cluster, whether it is alive or not: its member of etcd, its Node and what else the cluster keeps of it.

Everything is asked for before anything is removed, and what is gone is not an error: whoever was interrupted begins again.
"""

from __future__ import annotations

import base64
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from pykubeadm.constants import LABEL_CONTROL_PLANE
from pykubeadm.errors import PhaseError, PreflightError
from pykubeadm.kube.apply import retrying
from pykubeadm.util.dataclass import dataclass
from pykubeadm.util.ip import split_host_port

if TYPE_CHECKING:
    from pykubeadm.etcd.client import EtcdClient, Member
    from pykubeadm.kube.port import Api
    from pykubeadm.util.kube_object import KubeObject
    from pykubeadm.workflow.phase import Changes

_TURN: Final = timedelta(seconds=15)  # of a drain, until it is asked whether the node is still alive
_LEASE, _CSR = ("coordination.k8s.io/v1", "Lease"), ("certificates.k8s.io/v1", "CertificateSigningRequest")
# API servers' identities (kubernetes: pkg/controlplane/apiserver, IdentityLeaseComponentLabelKey), and kubelets' heartbeats.
_IDENTITIES: Final = {"apiserver.kubernetes.io/identity": "kube-apiserver"}
_HOSTNAME: Final = "kubernetes.io/hostname"
_HEARTBEATS: Final = "kube-node-lease"
_USER: Final = "system:node:"


@dataclass(frozen=True, slots=True)
class Leaving:
    """What the cluster knows of a node. `node` is its Node, `member` its member of etcd, among `members`; None where there is
    none. `addresses` are its own; `ready` is whether its kubelet reports that it is well."""

    name: str
    node: KubeObject | None
    members: tuple[Member, ...]
    member: Member | None
    addresses: frozenset[str]

    @property
    def ready(self) -> bool:
        return _is_ready(self.node)

    @property
    def is_control_plane(self) -> bool:
        labels = ((self.node or {}).get("metadata") or {}).get("labels") or {}
        return self.member is not None or LABEL_CONTROL_PLANE in labels


def look_at(api: Api, client: EtcdClient | None, name: str) -> Leaving:
    """What is known of the node `name`; `client` is None where etcd is external. PreflightError where nothing is, or where it is
    not known which member is its; ApiError, EtcdError."""
    from pykubeadm.etcd.removal import own_member
    from pykubeadm.manifests.addresses import etcd_peer_url

    node = retrying(lambda: api.get("v1", "Node", name), api.call_timeout)
    addresses = frozenset(
        str(address["address"])
        for address in ((node or {}).get("status") or {}).get("addresses") or ()
        if address["type"] in ("InternalIP", "ExternalIP")
    )
    members = client.members() if client is not None else ()
    member = own_member(members, name=name, peer_urls=[etcd_peer_url(address) for address in sorted(addresses)])
    if member is not None:
        addresses |= {urlsplit(url).hostname or "" for url in member.peer_urls}
    if node is None and member is None:
        known = sorted(str(other["metadata"]["name"]) for other in api.list("v1", "Node"))
        raise PreflightError(f"the cluster knows no node {name}, nor has etcd such a member; its nodes are {', '.join(known)}")
    return Leaving(name, node, members, member, addresses)


def _is_ready(node: KubeObject | None) -> bool:
    conditions = ((node or {}).get("status") or {}).get("conditions") or ()
    return any(condition["type"] == "Ready" and condition["status"] == "True" for condition in conditions)


def drain_while_ready(
    api: Api, name: str, timeout: timedelta, *, delete_emptydir_data: bool, report: Callable[[str], None]
) -> Changes | None:
    """Drain a Node that leaves; None once it is not Ready: a node that is dead ends no pods, they go with its Node. In turns, as
    a machine that died just now counts as Ready for most of a minute. Raises as `drain`."""
    from pykubeadm.kube.waits import WaitError
    from pykubeadm.phases.cluster.drain import drain

    ends = time.monotonic() + timeout.total_seconds()
    while _is_ready(retrying(lambda: api.get("v1", "Node", name), api.call_timeout)):
        left = timedelta(seconds=ends - time.monotonic())
        try:
            return drain(api, name, min(left, _TURN), delete_emptydir_data=delete_emptydir_data, report=report)
        except PhaseError as error:
            if not isinstance(error.__cause__, WaitError) or left <= _TURN:
                raise
    return None


def require_spare(leaving: Leaving, client: EtcdClient | None) -> None:
    """PreflightError where the cluster would not live on without the node."""
    from pykubeadm.etcd.removal import quorum_problem

    if client is None or leaving.member is None:
        return
    if len(leaving.members) == 1:
        raise PreflightError(f"{leaving.name} has etcd's only member: without it there is no cluster; nothing was changed")
    problem = quorum_problem(leaving.members, client.unhealthy(leaving.members).keys(), leaving.member)
    if problem:
        raise PreflightError(
            f"etcd's {leaving.member} cannot leave: {problem}, and the cluster would stop; bring those members back or remove "
            "them first; nothing was changed"
        )


def remove_objects(api: Api, leaving: Leaving) -> list[str]:
    """Remove what the cluster keeps of the node, its Node last: by it an interrupted run finds it again. A sentence each."""
    changes = []
    for (api_version, kind), name, namespace in _kept_of(api, leaving):
        delete = partial(api.delete, api_version, kind, name, namespace)
        if retrying(delete, api.call_timeout):
            changes.append(f"deleted {kind} {f'{namespace}/' if namespace else ''}{name}")
    return changes


def _kept_of(api: Api, leaving: Leaving) -> Iterator[tuple[tuple[str, str], str, str]]:
    yield _LEASE, leaving.name, _HEARTBEATS
    hosts = {leaving.name, str((((leaving.node or {}).get("metadata") or {}).get("labels") or {}).get(_HOSTNAME) or leaving.name)}
    for lease in retrying(lambda: api.list(*_LEASE, "kube-system", labels=_IDENTITIES), api.call_timeout):
        metadata = lease["metadata"]
        if (metadata.get("labels") or {}).get(_HOSTNAME) in hosts:
            yield _LEASE, metadata["name"], "kube-system"
    for request in retrying(lambda: api.list(*_CSR), api.call_timeout):
        if f"{_USER}{leaving.name}" in (request["spec"].get("username"), _subject(request)):
            yield _CSR, request["metadata"]["name"], ""
    yield ("v1", "Node"), leaving.name, ""


def _subject(request: KubeObject) -> str:
    """Whom a request wants a certificate for; "" where it cannot be read."""
    from cryptography.x509.oid import NameOID

    from pykubeadm.pki.issue import read_request

    try:
        found = read_request(base64.b64decode(request["spec"].get("request") or ""))
    except ValueError:
        return ""
    return next((str(name.value) for name in found.subject.get_attributes_for_oid(NameOID.COMMON_NAME)), "")


def right_endpoint(api: Api, leaving: Leaving, control_plane_endpoint: str) -> tuple[list[str], str]:
    """cluster-info leads joining nodes to an API server that stays. Returns what was changed, and a sentence where that cannot be
    had from here: the endpoint of the whole cluster is the address that leaves."""
    endpoint_host = split_host_port(control_plane_endpoint)[0]
    if endpoint_host in leaving.addresses:
        return [], (
            f"controlPlaneEndpoint of the cluster is {control_plane_endpoint}, which was {leaving.name}: kubelets and "
            "kubeconfigs of all nodes go there, so have another control plane take that address or name over"
        )
    stored = retrying(lambda: api.get("v1", "ConfigMap", "cluster-info", "kube-public"), api.call_timeout)
    text = ((stored or {}).get("data") or {}).get("kubeconfig") or ""
    server, pointed = _server(text)
    if not control_plane_endpoint or pointed not in leaving.addresses:
        return [], ""
    host, port = split_host_port(control_plane_endpoint)
    changed = text.replace(server, f"https://{host}:{port or urlsplit(server).port or 6443}")
    body: KubeObject = {"data": {"kubeconfig": changed}}
    retrying(lambda: api.patch("v1", "ConfigMap", "cluster-info", body, "kube-public", how="merge"), api.call_timeout)
    return [f"cluster-info leads to {control_plane_endpoint} now, no longer to {server}"], ""


def _server(kubeconfig: str) -> tuple[str, str]:
    """The URL in cluster-info, and the host in it."""
    from pykubeadm.config.section import DocumentError, load_section

    try:
        clusters: Sequence[KubeObject] = load_section(kubeconfig.encode()).data.get("clusters") or ()
        server = str(clusters[0]["cluster"]["server"])
    except (DocumentError, LookupError, TypeError):
        return "", ""
    return server, urlsplit(server).hostname or ""
