"""The cluster as one of its control planes knows it, reached through the connection to that machine."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from pykubeadm.config.endpoint import local_url
from pykubeadm.config.versions import parse_version
from pykubeadm.constants import ADMIN_KUBECONFIG, LABEL_CONTROL_PLANE
from pykubeadm.errors import ApiError, PhaseError, PykubeadmError
from pykubeadm.fleet.facts import ClusterFacts, EtcdMember, NodeObject
from pykubeadm.phases.certs.place import certificates_dir
from pykubeadm.phases.cluster.drain import CORDONED

if TYPE_CHECKING:
    from pykubeadm.etcd.client import EtcdClient
    from pykubeadm.kube.client import ClusterApi
    from pykubeadm.kube.port import Api
    from pykubeadm.node.port import Node
    from pykubeadm.util.kube_object import KubeObject

CALL_TIMEOUT = timedelta(seconds=20)


def api_of(node: Node) -> ClusterApi:
    """The API server that runs on this control plane, as its administrator. PhaseError where there is none, ApiError where its
    kubeconfig cannot be used."""
    from pykubeadm.kube.client import ClusterApi
    from pykubeadm.kube.credentials import parse_kubeconfig
    from pykubeadm.phases.cluster.found import own_endpoint

    content, endpoint = node.read(ADMIN_KUBECONFIG), own_endpoint(node)
    if content is None or endpoint is None:
        raise PhaseError(f"there is no API server with {ADMIN_KUBECONFIG} on this machine")
    credentials = parse_kubeconfig(content, ADMIN_KUBECONFIG)
    return ClusterApi(credentials, server=local_url(endpoint), call_timeout=CALL_TIMEOUT, route=node.route)


def answers(api: Api) -> str:
    """Why the API server, and etcd behind it, do not answer; "" where they do."""
    try:
        api.get("v1", "Namespace", "kube-system")
    except ApiError as error:
        return str(error)
    return ""


def etcd_of(node: Node, api: Api) -> EtcdClient | None:
    """The members of etcd, with this control plane's certificates; None where etcd is external."""
    from pykubeadm.etcd.client import EtcdClient, tls_context
    from pykubeadm.phases.etcd.members import etcd_endpoints

    names = ("ca.crt", "healthcheck-client.crt", "healthcheck-client.key")
    directory = certificates_dir(node)
    contents = [node.read(f"{directory}/etcd/{name}") for name in names]
    if None in contents:
        return None
    return EtcdClient(etcd_endpoints(api), tls_context(*(content or b"" for content in contents)), route=node.route)


def look_at_cluster(seed: str, node: Node, api: Api) -> ClusterFacts:
    """What the cluster says of itself at the control plane `seed`. Raises what the API raises."""
    from pykubeadm.phases.cluster.stored import administrator, stored_at_once

    stored, kubelet, kube_proxy = stored_at_once(api, administrator(ADMIN_KUBECONFIG))
    nodes = {str(found["metadata"]["name"]): node_object(found) for found in api.list("v1", "Node")}
    members, etcd_error = _members(node, api)
    return ClusterFacts(
        seed=seed,
        ca=fingerprint(node.read(f"{certificates_dir(node)}/ca.crt")),
        version=version_in(str(stored.get("kubernetesVersion") or "")),
        nodes=nodes,
        members=members,
        etcd_error=etcd_error,
        stored=stored,
        kubelet=kubelet,
        kube_proxy=kube_proxy,
    )


def version_in(text: str) -> str:
    """As releases are called ("v1.36.2"), "" for what is no version."""
    try:
        return str(parse_version(text))
    except ValueError:
        return ""


def _members(node: Node, api: Api) -> tuple[tuple[EtcdMember, ...], str]:
    try:
        client = etcd_of(node, api)
        if client is None:
            return (), ""
        members = client.members()
        ailments = client.unhealthy(members)
    except PykubeadmError as error:
        return (), str(error)
    found = [
        EtcdMember(
            member.id,
            member.name,
            tuple(urlsplit(url).hostname or url for url in member.peer_urls),
            member.learner,
            ailments.get(member.id, ""),
        )
        for member in members
    ]
    return tuple(found), ""


def node_object(document: KubeObject) -> NodeObject:
    """A Node, of what matters here."""
    metadata, spec, status = document["metadata"], document.get("spec") or {}, document.get("status") or {}
    ready: Mapping[str, Any] = next((item for item in status.get("conditions") or () if item.get("type") == "Ready"), {})
    labels = {str(key): str(value) for key, value in (metadata.get("labels") or {}).items()}
    cidrs: Sequence[Any] = spec.get("podCIDRs") or ([spec["podCIDR"]] if spec.get("podCIDR") else [])
    return NodeObject(
        name=str(metadata["name"]),
        ready=ready.get("status") == "True",
        reason=str(ready.get("message") or ready.get("reason") or ""),
        version=str((status.get("nodeInfo") or {}).get("kubeletVersion") or ""),
        addresses=tuple(str(item["address"]) for item in status.get("addresses") or () if item.get("type") == "InternalIP"),
        labels=labels,
        taints=tuple(spec.get("taints") or ()),
        pod_cidrs=tuple(str(cidr) for cidr in cidrs),
        control_plane=LABEL_CONTROL_PLANE in labels,
        unschedulable=bool(spec.get("unschedulable")),
        drained=CORDONED in (metadata.get("annotations") or {}),
    )


def fingerprint(content: bytes | None) -> str:
    """Stands for a CA: whatever else is in its file does not count. "" where there is none."""
    from pykubeadm.pki.check import load_certificates

    if not content:
        return ""
    try:
        return hashlib.sha256(load_certificates(content)[0].tbs_certificate_bytes).hexdigest()[:16]
    except (ValueError, IndexError):
        return "unreadable"
