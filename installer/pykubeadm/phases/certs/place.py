"""Where the certificates of a node are, as far as that can be seen without the cluster."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable

from pykubeadm.config.section import DocumentError
from pykubeadm.constants import CERTIFICATES_DIR, KUBERNETES_DIR, MANIFESTS_DIR
from pykubeadm.errors import PhaseError
from pykubeadm.node.port import Looked
from pykubeadm.phases.documents import read_document
from pykubeadm.util.dataclass import dataclass

# Flags of the API server that name a file in certificatesDir (kubeadm: phases/controlplane/manifests.go). Users set others.
_FILES = {"client-ca-file": "ca.crt", "tls-cert-file": "apiserver.crt", "proxy-client-cert-file": "front-proxy-client.crt"}
_LOOPBACK = ("https://127.0.0.1:", "https://[::1]:")


@dataclass(frozen=True, slots=True)
class Place:
    """`external_etcd` are the endpoints of an etcd that is not the cluster's own, which brings its own certificates."""

    certificates_dir: str = CERTIFICATES_DIR
    kubeconfig_dir: str = KUBERNETES_DIR
    external_etcd: tuple[str, ...] = ()


def place_by_manifest(node: Looked) -> Place | None:
    """By the flags of this node's API server; None where it has none, or one that does not say."""
    try:
        manifest = read_document(node, f"{MANIFESTS_DIR}/kube-apiserver.yaml")
        containers = manifest.section("spec").sections("containers") if manifest else []
        flags = _flags(word for container in containers for word in container.texts("command"))
    except (PhaseError, DocumentError):
        return None
    for name, file in _FILES.items():
        directory, base = posixpath.split(flags.get(name, ""))
        if base == file and directory:
            return Place(directory, external_etcd=_external_etcd(node, flags))
    return None


def certificates_dir(node: Looked, otherwise: str = CERTIFICATES_DIR) -> str:
    """By the flags of this node's API server; `otherwise` where it has none, or one that does not say."""
    place = place_by_manifest(node)
    return place.certificates_dir if place else otherwise


def _flags(words: Iterable[str]) -> dict[str, str]:
    parts = (word.removeprefix("--").partition("=") for word in words if word.startswith("--"))
    return {name: value for name, _, value in parts}


def _external_etcd(node: Looked, flags: dict[str, str]) -> tuple[str, ...]:
    servers = tuple(filter(None, flags.get("etcd-servers", "").split(",")))
    if all(server.startswith(_LOOPBACK) for server in servers) or node.stat(f"{MANIFESTS_DIR}/etcd.yaml") is not None:
        return ()
    return servers
