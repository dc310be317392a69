"""What a node says of its part in a cluster. Everything is read from its files: the cluster may be dead, or reset before."""

from __future__ import annotations

import posixpath
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from pykubeadm.constants import CERTIFICATES_DIR, KUBELET_CONFIG, MANIFESTS_DIR
from pykubeadm.errors import NodeError
from pykubeadm.node.port import Node

_DATA_VOLUME = "etcd-data"  # kubeadm: phases/etcd/local.go


@dataclass(frozen=True, slots=True)
class EtcdManifest:
    """What etcd.yaml says of this node's member. URLs are lists, as etcd takes several."""

    name: str
    peer_urls: tuple[str, ...]
    client_urls: tuple[str, ...]
    initial_cluster: Mapping[str, str]  # member's name → a peer URL, as when this one was added
    certificates_dir: str  # the folder with ca.crt and healthcheck-client.*
    data_dir: str


@dataclass(frozen=True, slots=True)
class Found:
    """`certificates_dirs` are all that the node's files name, the default one included."""

    is_control_plane: bool
    etcd: EtcdManifest | None
    certificates_dirs: tuple[str, ...]


def look(node: Node, certificates_dir: str) -> Found:
    """What is on `node`; `certificates_dir` is the user's. Files that cannot be read say nothing."""
    server = _arguments(_pod(node, "kube-apiserver"))
    kubelet = _document(node, KUBELET_CONFIG)
    x509 = _mapping(_mapping(kubelet.get("authentication")).get("x509"))
    named = (server.get("client-ca-file"), x509.get("clientCAFile"))
    folders = (certificates_dir, CERTIFICATES_DIR, *(posixpath.dirname(str(path)) for path in named if path))
    return Found(
        is_control_plane=node.stat(f"{MANIFESTS_DIR}/kube-apiserver.yaml") is not None,
        etcd=_etcd(_pod(node, "etcd")),
        certificates_dirs=tuple(dict.fromkeys(posixpath.normpath(path) for path in folders if path.startswith("/"))),
    )


def _etcd(pod: Mapping[str, Any]) -> EtcdManifest | None:
    if not pod:
        return None
    arguments = _arguments(pod)
    pairs = (pair.partition("=") for pair in arguments.get("initial-cluster", "").split(",") if "=" in pair)
    volumes = _mapping(pod.get("spec")).get("volumes") or ()
    paths = [_mapping(volume.get("hostPath")).get("path") for volume in volumes if _mapping(volume).get("name") == _DATA_VOLUME]
    return EtcdManifest(
        name=arguments.get("name", ""),
        peer_urls=_list(arguments.get("initial-advertise-peer-urls", "")),
        client_urls=_list(arguments.get("advertise-client-urls", "")),
        initial_cluster={name: url for name, _, url in pairs},
        certificates_dir=posixpath.dirname(arguments.get("trusted-ca-file") or f"{CERTIFICATES_DIR}/etcd/ca.crt"),
        data_dir=str(paths[0]) if paths and paths[0] else arguments.get("data-dir", ""),
    )


def _pod(node: Node, name: str) -> Mapping[str, Any]:
    return _document(node, f"{MANIFESTS_DIR}/{name}.yaml")


def _arguments(pod: Mapping[str, Any]) -> dict[str, str]:
    """The flags of the pod's only container."""
    containers = _mapping(pod.get("spec")).get("containers") or ()
    words = [str(word) for container in containers for word in (_mapping(container).get("command") or ())]
    pairs = (word.removeprefix("--").partition("=") for word in words if word.startswith("--"))
    return {name: value for name, _, value in pairs}


def _document(node: Node, path: str) -> Mapping[str, Any]:
    try:
        found = yaml.load(node.read(path) or b"", Loader=yaml.CSafeLoader)
    except (yaml.YAMLError, NodeError):
        return {}
    return _mapping(found)


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _list(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())
