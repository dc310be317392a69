"""What `init` and `join` get for one host: kubeadm's documents, as text. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import field, replace
from datetime import timedelta
from typing import Any

import yaml

from pykubeadm.config.fleet import CONTROL_PLANE, WORKER, Cluster, Fleet, Host
from pykubeadm.config.model import (
    API_VERSION,
    APIEndpoint,
    Arg,
    BootstrapToken,
    Configuration,
    Etcd,
    InitConfiguration,
    JoinConfiguration,
    JoinControlPlane,
    LocalEtcd,
    NodeRegistration,
)
from pykubeadm.config.source import Source
from pykubeadm.util.dataclass import dataclass

TOKEN_LIFETIME = timedelta(hours=2)
TOKEN_DESCRIPTION = "Created by pykubeadm cluster for one run."  # noqa: S105 - no token, its description


@dataclass(frozen=True, slots=True)
class Admission:
    """With what hosts join in one run: a bootstrap token and a certificate key that were made for it, the endpoint of the
    cluster and the hashes of its CA."""

    token: str = field(repr=False)
    certificate_key: str = field(repr=False)
    endpoint: str = ""
    ca_cert_hashes: Sequence[str] = ()


def init_source(cluster: Cluster, configuration: Configuration, host: Host, address: str, admission: Admission) -> Source:
    """The file that `init` reads for this host; `address` is the one that other nodes speak to."""
    init = InitConfiguration(
        bootstrap_tokens=(BootstrapToken(token=admission.token, description=TOKEN_DESCRIPTION, ttl=TOKEN_LIFETIME),),
        node_registration=_registration(cluster, configuration, host),
        local_api_endpoint=APIEndpoint(advertise_address=address, bind_port=_port(configuration)),
        certificate_key=admission.certificate_key,
    )
    documents = [
        _without_empty(init.document()),
        configuration.cluster.document(),
        *(document for document in (configuration.kubelet, configuration.kube_proxy) if document),
    ]
    return _source(host, documents)


def join_source(cluster: Cluster, configuration: Configuration, host: Host, address: str, admission: Admission) -> Source:
    """The same for `join`."""
    control_plane = None
    if CONTROL_PLANE in host.parts:
        endpoint = APIEndpoint(advertise_address=address, bind_port=_port(configuration))
        control_plane = JoinControlPlane(local_api_endpoint=endpoint, certificate_key=admission.certificate_key)
    document = JoinConfiguration(
        node_registration=_registration(cluster, configuration, host), control_plane=control_plane
    ).document()
    document["discovery"] = {
        "bootstrapToken": {
            "token": admission.token,
            "apiServerEndpoint": admission.endpoint,
            "caCertHashes": list(admission.ca_cert_hashes),
        }
    }
    return _source(host, [_without_empty(document)])


def member_source(fleet: Fleet, host: Host, address: str, members: Mapping[str, str]) -> Source:
    """What a member of etcd on a host of its own is made of, as `init` reads it. `members` are the names and peer URLs of those
    that begin together, {} where it joins others."""
    init = InitConfiguration(
        node_registration=_registration(fleet.cluster, fleet.configuration, host),
        local_api_endpoint=APIEndpoint(advertise_address=address),
    )
    local = fleet.members or LocalEtcd()
    if members:
        pairs = ",".join(f"{name}={url}" for name, url in members.items())
        local = replace(local, extra_args=(*local.extra_args, Arg(name="initial-cluster", value=pairs)))
    cluster = replace(fleet.configuration.cluster, etcd=Etcd(local=local))
    kubelet = [fleet.configuration.kubelet] if fleet.configuration.kubelet else []
    return _source(host, [_without_empty(init.document()), cluster.document(), *kubelet])


def change_source(fleet: Fleet, stored: Mapping[str, Any]) -> Source | None:
    """The file that `reconfigure` reads on a control plane: those documents that the user's holds, as what is missing changes
    nothing; None where it holds none of them. `stored` is the cluster's ClusterConfiguration, {} where it is not known."""
    configuration = fleet.configuration
    documents = [_changed_cluster(fleet, stored), configuration.kubelet, configuration.kube_proxy]
    return Source("the file", _text([document for document in documents if document])) if any(documents) else None


def _changed_cluster(fleet: Fleet, stored: Mapping[str, Any]) -> Mapping[str, Any]:
    """What the user wrote, and what follows from the hosts; where the file has no ClusterConfiguration, the stored one with new
    endpoints of etcd. A default beside it would read as if the user wanted it."""
    cluster = fleet.configuration.cluster.document()
    from_hosts = {"etcd": cluster["etcd"]} if fleet.members else {}
    if not fleet.describes_cluster:
        return {**stored, **from_hosts} if stored and from_hosts else {}
    if "controlPlaneEndpoint" in cluster:
        from_hosts["controlPlaneEndpoint"] = cluster["controlPlaneEndpoint"]
    if fleet.names_version:
        from_hosts["kubernetesVersion"] = cluster["kubernetesVersion"]
    return {**fleet.cluster_document, **from_hosts, "apiVersion": cluster["apiVersion"], "kind": cluster["kind"]}


def _registration(cluster: Cluster, configuration: Configuration, host: Host) -> NodeRegistration:
    arguments = host.kubelet_extra_args
    if host.internal_address and not any(argument.name == "node-ip" for argument in arguments):
        arguments = (Arg(name="node-ip", value=host.internal_address), *arguments)
    taints = host.taints
    if taints is None and CONTROL_PLANE in host.parts and WORKER in host.parts:
        taints = ()
    return NodeRegistration(
        name=host.name,
        cri_socket=configuration.this_node.node_registration.cri_socket,
        taints=taints,
        kubelet_extra_args=arguments,
        ignore_preflight_errors=cluster.ignored_checks(host),
    )


def _port(configuration: Configuration) -> int:
    return configuration.this_node.local_api_endpoint.bind_port


def _without_empty(document: Mapping[str, Any]) -> dict[str, Any]:
    """Taints that are not said are the default ones, and no timeouts are ours to set."""
    found = {name: value for name, value in document.items() if name != "timeouts"}
    registration = {name: value for name, value in found["nodeRegistration"].items() if value is not None}
    return found | {"nodeRegistration": registration, "apiVersion": API_VERSION}


def _source(host: Host, documents: Sequence[Mapping[str, Any]]) -> Source:
    return Source(f"the configuration of {host.name}", _text(documents))


def _text(documents: Sequence[Mapping[str, Any]]) -> bytes:
    return yaml.safe_dump_all(documents, sort_keys=False).encode()
