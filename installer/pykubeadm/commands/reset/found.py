"""What a node says of its part in a cluster. Everything is read from its files: the cluster may be dead, or half reset."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from pykubeadm.constants import (
    CERTIFICATES_DIR,
    KUBELET_CONFIG,
    KUBELET_FLAGS_ENV,
    KUBELET_INSTANCE_CONFIG,
    MANIFESTS_DIR,
)
from pykubeadm.errors import NodeError, PhaseError
from pykubeadm.node.port import Node
from pykubeadm.phases.documents import read_document

# Volumes' names (kubeadm: phases/etcd/local.go, phases/controlplane/volumes.go).
_DATA_VOLUME: Final = "etcd-data"
_CERTIFICATES_VOLUME: Final = "k8s-certs"
_ENDPOINT_FLAG: Final = re.compile(r"--container-runtime-endpoint[= ]([^\s\"']+)")


@dataclass(frozen=True, slots=True)
class EtcdManifest:
    """What etcd.yaml says of this node's member, or the peer certificate where a join ended before it wrote that. URLs are
    lists, as etcd takes several; paths are absolute, or "" where none is named."""

    name: str
    peer_urls: tuple[str, ...]
    client_urls: tuple[str, ...]
    initial_cluster: Mapping[str, str]  # member's name → a peer URL, as when this one was added
    certificates_dir: str  # the folder with ca.crt and healthcheck-client.*
    data_dir: str
    wal_dir: str


@dataclass(frozen=True, slots=True)
class Found:
    """`certificates_dirs` are all that may hold the cluster's certificates: the user's, the API server's, the default one."""

    is_control_plane: bool
    etcd: EtcdManifest | None
    certificates_dirs: tuple[str, ...]


def look(node: Node, certificates_dir: str) -> Found:
    """What is on `node`; `certificates_dir` is the user's. Files that cannot be read say nothing."""
    named = (certificates_dir, CERTIFICATES_DIR, _volume(_pod(node, "kube-apiserver"), _CERTIFICATES_VOLUME))
    folders = tuple(dict.fromkeys(path for path in map(_absolute, named) if path))
    return Found(
        is_control_plane=node.stat(f"{MANIFESTS_DIR}/kube-apiserver.yaml") is not None,
        etcd=_etcd(_pod(node, "etcd")) or next(filter(None, (_joining_etcd(node, f"{path}/etcd") for path in folders)), None),
        certificates_dirs=folders,
    )


def _etcd(pod: Mapping[str, Any]) -> EtcdManifest | None:
    if not pod:
        return None
    arguments = _arguments(pod)
    pairs = (pair.partition("=") for pair in arguments.get("initial-cluster", "").split(",") if "=" in pair)
    return EtcdManifest(
        name=arguments.get("name", ""),
        peer_urls=_list(arguments.get("initial-advertise-peer-urls", "")),
        client_urls=_list(arguments.get("advertise-client-urls", "")),
        initial_cluster={name: url for name, _, url in pairs},
        certificates_dir=posixpath.dirname(arguments.get("trusted-ca-file") or f"{CERTIFICATES_DIR}/etcd/ca.crt"),
        data_dir=_volume(pod, _DATA_VOLUME) or _absolute(arguments.get("data-dir", "")),
        wal_dir=_absolute(arguments.get("wal-dir", "")),
    )


def _joining_etcd(node: Node, folder: str) -> EtcdManifest | None:
    """The member as its peer certificate names it: it is added to etcd before its manifest is written."""
    try:
        content = node.read(f"{folder}/peer.crt")
    except NodeError:
        return None
    if content is None:
        return None
    from cryptography import x509

    from pykubeadm.manifests.addresses import etcd_peer_url
    from pykubeadm.pki.check import load_certificates

    try:
        certificate = load_certificates(content)[0]
        addresses = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value.get_values_for_type(
            x509.IPAddress
        )
    except (ValueError, IndexError, x509.ExtensionNotFound):
        return None
    names = [str(attribute.value) for attribute in certificate.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)]
    hosts = [str(address) for address in addresses if not address.is_loopback]
    return EtcdManifest("".join(names[:1]), tuple(map(etcd_peer_url, hosts)), (), {}, folder, data_dir="", wal_dir="")


def runtime_endpoint(node: Node) -> str:
    """The container runtime's socket as the kubelet's files name it, as a URL; "" where they do not."""
    for path in (KUBELET_INSTANCE_CONFIG, KUBELET_CONFIG):
        if endpoint := _document(node, path).get("containerRuntimeEndpoint"):
            return _url(str(endpoint))
    flag = _ENDPOINT_FLAG.search(_text(node, KUBELET_FLAGS_ENV))
    return _url(flag[1]) if flag else ""


def _url(endpoint: str) -> str:
    if endpoint.startswith("/"):
        return f"unix://{endpoint}"
    return endpoint if endpoint.startswith("unix:///") else ""


def _pod(node: Node, name: str) -> Mapping[str, Any]:
    return _document(node, f"{MANIFESTS_DIR}/{name}.yaml")


def _arguments(pod: Mapping[str, Any]) -> dict[str, str]:
    """The flags of the pod's only container."""
    containers = _sequence(_mapping(pod.get("spec")).get("containers"))
    words = [str(word) for container in containers for word in _sequence(_mapping(container).get("command"))]
    pairs = (word.removeprefix("--").partition("=") for word in words if word.startswith("--"))
    return {name: value for name, _, value in pairs}


def _volume(pod: Mapping[str, Any], name: str) -> str:
    """The path on the node of a pod's volume, "" where it has none of that name."""
    for volume in _sequence(_mapping(pod.get("spec")).get("volumes")):
        if _mapping(volume).get("name") == name:
            return _absolute(str(_mapping(_mapping(volume).get("hostPath")).get("path", "")))
    return ""


def _document(node: Node, path: str) -> Mapping[str, Any]:
    try:
        found = read_document(node, path)
    except (NodeError, PhaseError):
        return {}
    return {} if found is None else found.data


def _text(node: Node, path: str) -> str:
    try:
        return (node.read(path) or b"").decode(errors="replace")
    except NodeError:
        return ""


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _sequence(value: object) -> Sequence[Any]:
    return value if isinstance(value, list) else ()


def _absolute(path: str) -> str:
    """`path` without "..", "" where it is not absolute or the root."""
    path = posixpath.normpath(path) if path.startswith("/") and "\0" not in path else ""
    return "" if path.strip("/") == "" else "/" + path.lstrip("/")


def _list(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())
