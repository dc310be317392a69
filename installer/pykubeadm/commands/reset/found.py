"""What a node says of its part in a cluster. Everything is read from its files: the cluster may be dead, or half reset."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from pykubeadm.constants import (
    CERTIFICATES_DIR,
    KUBELET_CONFIG,
    KUBELET_FLAGS_ENV,
    KUBELET_INSTANCE_CONFIG,
)
from pykubeadm.errors import NodeError
from pykubeadm.node.port import Node
from pykubeadm.phases.etcd.manifest import NAME as ETCD
from pykubeadm.phases.etcd.manifest import EtcdManifest, joining_etcd, manifest_of
from pykubeadm.phases.static_pods.manifests import manifest_path
from pykubeadm.phases.static_pods.present import absolute, host_path, present_document, present_pod
from pykubeadm.phases.static_pods.stopped import API_SERVER, stopped_path
from pykubeadm.util.dataclass import dataclass
from pykubeadm.util.socket_url import socket_path

# A volume's name (kubeadm: phases/controlplane/volumes.go).
_CERTIFICATES_VOLUME: Final = "k8s-certs"
_ENDPOINT_FLAG: Final = re.compile(r"--container-runtime-endpoint[= ]([^\s\"']+)")


@dataclass(frozen=True, slots=True)
class Found:
    """`node_name` is that of its Node, "" where nothing says so; `certificates_dirs` are all that may hold the cluster's
    certificates: the user's, the API server's, the default one."""

    node_name: str
    is_control_plane: bool
    etcd: EtcdManifest | None
    certificates_dirs: tuple[str, ...]


def look(node: Node, certificates_dir: str) -> Found:
    """What is on `node`; `certificates_dir` is the user's. Files that cannot be read say nothing."""
    named = (certificates_dir, CERTIFICATES_DIR, host_path(_pod(node, API_SERVER), _CERTIFICATES_VOLUME))
    folders = tuple(dict.fromkeys(path for path in map(absolute, named) if path))
    etcd = _pod(node, ETCD)
    return Found(
        node_name=_node_name(node),
        is_control_plane=any(node.stat(path(API_SERVER)) is not None for path in (manifest_path, stopped_path)),
        etcd=manifest_of(etcd) if etcd else next(filter(None, (joining_etcd(node, f"{path}/etcd") for path in folders)), None),
        certificates_dirs=folders,
    )


def _node_name(node: Node) -> str:
    from pykubeadm.phases.cluster.found import node_name

    try:
        return node_name(node)
    except NodeError:
        return ""


def _pod(node: Node, name: str) -> Mapping[str, Any]:
    """A component's pod, also where `etcd stop` has stopped it; {} where there is none that can be read."""
    return present_pod(node, name) or present_document(node, stopped_path(name))


def runtime_endpoint(node: Node) -> str:
    """The container runtime's socket as the kubelet's files name it, as a URL; "" where they do not."""
    for path in (KUBELET_INSTANCE_CONFIG, KUBELET_CONFIG):
        if endpoint := present_document(node, path).get("containerRuntimeEndpoint"):
            return _url(str(endpoint))
    flag = _ENDPOINT_FLAG.search(_text(node, KUBELET_FLAGS_ENV))
    return _url(flag[1]) if flag else ""


def _url(endpoint: str) -> str:
    if endpoint.startswith("/"):
        return f"unix://{endpoint}"
    return endpoint if endpoint.startswith("unix:") and socket_path(endpoint).startswith("/") else ""


def _text(node: Node, path: str) -> str:
    try:
        return (node.read(path) or b"").decode(errors="replace")
    except NodeError:
        return ""
