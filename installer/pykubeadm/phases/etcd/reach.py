"""The way to a cluster's etcd from one of its control planes, by the files on it: the API server may be dead."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from pykubeadm.errors import PhaseError
from pykubeadm.etcd.client import EtcdClient, EtcdError, tls_context
from pykubeadm.phases.documents import read_document
from pykubeadm.phases.etcd.manifest import NAME, etcd_manifest, own_client
from pykubeadm.phases.static_pods.manifests import manifest_path
from pykubeadm.util.dataclass import dataclass

if TYPE_CHECKING:
    import ssl

    from pykubeadm.config.model import Configuration, ExternalEtcd
    from pykubeadm.etcd.client import Member, Status
    from pykubeadm.node.port import Node


@dataclass(frozen=True, slots=True)
class Reached:
    """`own` are the client URLs of this node's member, () where etcd is external."""

    client: EtcdClient
    own: tuple[str, ...] = ()


def reach(node: Node, configuration: Configuration) -> Reached:
    """PhaseError where this node has no member and the configuration names no external etcd, EtcdError where certificates are
    missing."""
    external = configuration.cluster.etcd.external
    if external is not None:
        return Reached(EtcdClient(external.endpoints, _tls(node, external), route=node.route))
    manifest = etcd_manifest(node)
    if manifest is None:
        path = manifest_path(NAME)
        read_document(node, path)  # raises what is wrong with it, where it is there
        raise PhaseError(
            f"there is no member of etcd on this node ({path} does not exist): run this on a control plane that has one"
        )
    return Reached(own_client(node, manifest), manifest.client_urls)


def healthiest(reached: Reached) -> tuple[str, Status]:
    """The client URL of a member that sees a leader, votes, and reports no errors, with its status; this node's where that is so.
    EtcdError with what is wrong with each."""
    reasons = []
    for endpoint in dict.fromkeys([*reached.own, *reached.client.endpoints, *_known(reached.client)]):
        try:
            status = reached.client.status(endpoint)
        except EtcdError as error:
            reasons.append(str(error))
            continue
        if status.leader and not status.learner and not status.errors:
            return endpoint, status
        what = "; ".join(status.errors) or ("it does not vote yet" if status.learner else "it sees no leader")
        reasons.append(f"the member at {endpoint} is not healthy: {what}")
    raise EtcdError("; ".join(reasons) or "no etcd endpoint is known")


def _known(client: EtcdClient) -> Sequence[str]:
    try:
        return [url for member in client.members(agreed=False) for url in member.client_urls]
    except EtcdError:
        return ()


def members_of(client: EtcdClient) -> tuple[tuple[Member, ...], str]:
    """All members, and why a majority does not agree, "" where it does: then they are as one member knows them."""
    try:
        return client.members(), ""
    except EtcdError as error:
        return client.members(agreed=False), str(error)


def _tls(node: Node, external: ExternalEtcd) -> ssl.SSLContext | None:
    paths = (external.ca_file, external.cert_file, external.key_file)
    if not all(paths):
        return None
    contents = []
    for path in paths:
        content = node.read(path)
        if content is None:
            raise EtcdError(f"{path}, with which to speak to etcd, does not exist")
        contents.append(content)
    return tls_context(*contents)
