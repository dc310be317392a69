"""The configuration for commands that come to a node of a cluster that exists: from a file, from the cluster's ConfigMap, else
from what lies on the node.

What the node is called and where its API server listens is taken from its own files where neither is given: guesses would end up
in certificates.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

from pykubeadm.config.defaults import NO_ADDRESS
from pykubeadm.config.init_flags import InitFlags
from pykubeadm.config.model import APIEndpoint, Configuration, Etcd, ExternalEtcd
from pykubeadm.config.read_init import read_init
from pykubeadm.config.reading import Environment
from pykubeadm.config.rules import port_text
from pykubeadm.config.section import DocumentError
from pykubeadm.config.versions import NEWEST_KNOWN
from pykubeadm.constants import CRI_SOCKETS, ENDPOINT_ANNOTATION, KUBELET_INSTANCE_CONFIG, KUBERNETES_DIR
from pykubeadm.errors import ApiError, ConfigError, PhaseError
from pykubeadm.kube.port import Api
from pykubeadm.phases.certs.place import place_by_manifest
from pykubeadm.phases.cluster.stored import Reader, stored_cluster
from pykubeadm.phases.documents import read_document
from pykubeadm.phases.static_pods.manifests import read_static_pod
from pykubeadm.util.dataclass import dataclass
from pykubeadm.util.ip import split_host_port

if TYPE_CHECKING:
    from pykubeadm.config.host import HostFacts
    from pykubeadm.config.model import ClusterConfiguration
    from pykubeadm.config.source import Source
    from pykubeadm.node.port import Node

_NODE_USER = "system:node:"
_UNUSED_TOKEN = "abcdef.0123456789abcdef"  # noqa: S105 - reading an InitConfiguration wants one; nothing is made of it


@dataclass(frozen=True, slots=True)
class Found:
    """A configuration and where it comes from: "node" means that only what is on the node is known, the rest are defaults."""

    configuration: Configuration
    source: Literal["file", "cluster", "node"]


def find_configuration(
    node: Node,
    host: HostFacts,
    *,
    source: Source | None,
    connect: Callable[[], Api] | None,
    reader: Reader,
    note: Callable[[str], None],
) -> Found:
    """`connect` reaches the cluster as `reader`, None where there is no way to one; where it fails, or the cluster's ConfigMap
    cannot be read, `note` gets the reason. ConfigError with every problem of the file."""
    configuration = _of_file(node, host, source, note) if source else node_configuration(node, host)
    if source:
        return Found(configuration, "file")
    try:
        if connect is not None:
            cluster = stored_cluster(connect(), reader, note, patient=False)
            return Found(replace(configuration, cluster=cluster), "cluster")
    except (ApiError, ConfigError) as error:
        note(f"the cluster's configuration cannot be read, so that of this node is used: {str(error).splitlines()[0]}")
    return Found(replace(configuration, cluster=_from_manifest(node, configuration.cluster)), "node")


def node_configuration(node: Node, host: HostFacts) -> Configuration:
    """This node as its own files have it, in a cluster of which nothing is known but the defaults. One without a default route
    has no address where its files have none: those are workers, and control planes that are stopped."""
    if not (host.default_ipv4 or host.default_ipv6):
        host = replace(host, default_ipv4=NO_ADDRESS)
    environment = _environment(node, host, lambda _note: None)
    configuration = read_init(None, InitFlags(kubernetes_version=NEWEST_KNOWN), environment)[1]
    endpoint = own_endpoint(node)
    if endpoint is None:
        return configuration
    return replace(configuration, this_node=replace(configuration.this_node, local_api_endpoint=endpoint))


def own_endpoint(node: Node) -> APIEndpoint | None:
    """Where this node's API server listens, by its manifest; None where there is none, or it does not say so."""
    return endpoint_of(_apiserver(node))


def endpoint_of(pod: Mapping[str, Any]) -> APIEndpoint | None:
    """Where an API server listens, by its static pod; None where that does not say so."""
    annotations = (pod.get("metadata") or {}).get("annotations") or {}
    address, port = split_host_port(str(annotations.get(ENDPOINT_ANNOTATION) or ""))
    return None if not address or port_text(port) else APIEndpoint(advertise_address=address, bind_port=int(port))


def _of_file(node: Node, host: HostFacts, source: Source, note: Callable[[str], None]) -> Configuration:
    return read_init(source, InitFlags(), _environment(node, host, note))[1]


def _environment(node: Node, host: HostFacts, note: Callable[[str], None]) -> Environment:
    facts = _with_node_files(node, host)
    return Environment(host=facts, new_token=lambda: _UNUSED_TOKEN, ask=lambda _label: NEWEST_KNOWN, note=note)


def _apiserver(node: Node) -> Mapping[str, Any]:
    """The static pod of this node's API server; {} where there is none that can be read."""
    try:
        return read_static_pod(node, "kube-apiserver") or {}
    except PhaseError:
        return {}


def _with_node_files(node: Node, host: HostFacts) -> HostFacts:
    """The machine's facts as the node's own files have them, where they do."""
    sockets = tuple(filter(None, (_runtime_endpoint(node),))) or host.cri_sockets[:1] or CRI_SOCKETS[:1]
    name = node_name(node) or host.hostname
    endpoint = own_endpoint(node)
    if endpoint is None:
        return replace(host, hostname=name, cri_sockets=sockets)
    address = endpoint.advertise_address
    own = {"default_ipv6": address, "default_ipv4": None} if ":" in address else {"default_ipv4": address}
    return replace(host, hostname=name, cri_sockets=sockets, **own)


def _runtime_endpoint(node: Node) -> str:
    """As the kubelet has it; "" where its file says nothing that can be read."""
    try:
        section = read_document(node, KUBELET_INSTANCE_CONFIG)
        return section.text("containerRuntimeEndpoint") if section else ""
    except (PhaseError, DocumentError):
        return ""


def node_name(node: Node) -> str:
    """As the kubelet is known in the cluster: by the name of its user, else by its certificate, as after a join that name is
    another. "" where it has no kubeconfig, or one of something else."""
    from pykubeadm.phases.kubeconfig.held import held_client

    try:
        held = held_client(node, f"{KUBERNETES_DIR}/kubelet.conf")
    except PhaseError:
        return ""
    if held is None:
        return ""
    user = held.kubeconfig.user_name
    users = [user] if user.startswith(_NODE_USER) else _common_names(held.certificate)
    return next((user.removeprefix(_NODE_USER) for user in users if user.startswith(_NODE_USER)), "")


def _common_names(certificates: bytes) -> list[str]:
    """Of the first certificate; [] where there is none that can be read."""
    from pykubeadm.pki.pem import certificate_blocks
    from pykubeadm.util.der import common_names

    try:
        return common_names(certificate_blocks(certificates)[0].content)
    except ValueError:
        return []


def _from_manifest(node: Node, cluster: ClusterConfiguration) -> ClusterConfiguration:
    """Where the certificates are and whose etcd it is, by the API server's flags."""
    place = place_by_manifest(node)
    if place is None:
        return cluster
    etcd = Etcd(external=ExternalEtcd(endpoints=place.external_etcd)) if place.external_etcd else cluster.etcd
    return replace(cluster, certificates_dir=place.certificates_dir, etcd=etcd)
