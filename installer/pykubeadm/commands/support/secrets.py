"""The secrets of a node and its cluster, read so that they can be taken out of everything else."""

from __future__ import annotations

import base64
import posixpath
from collections.abc import Iterator
from typing import Any, Final

from pykubeadm.config.section import DocumentError
from pykubeadm.constants import CERTIFICATES_DIR, KUBELET_DIR, KUBERNETES_DIR
from pykubeadm.errors import ApiError, NodeError, PhaseError
from pykubeadm.kube.port import Api
from pykubeadm.node.port import Node
from pykubeadm.phases.documents import read_document

_FOLDERS: Final = (CERTIFICATES_DIR, f"{CERTIFICATES_DIR}/etcd", f"{KUBELET_DIR}/pki")
_KUBECONFIGS: Final = (KUBERNETES_DIR, "/root/.kube")
_ENCRYPTION: Final = f"{KUBERNETES_DIR}/encryption/config.yaml"
_SECRET_FIELDS: Final = ("token", "password", "client-key-data", "secret")
# Secrets hold certificates and names, too, which may be seen; values of these fields alone are public.
_PUBLIC: Final = frozenset({"ca.crt", "namespace", "description", "expiration", "token-id", "auth-extra-groups"})
# Helm's record of a release is compressed, so that no text has anything of it; there are many, and they are large.
_COMPRESSED: Final = "helm.sh/release.v1"
_MOST: Final = 64 * 1024 * 1024  # bytes that are kept to be found elsewhere


def secrets_of_node(node: Node) -> Iterator[bytes]:
    """Keys, and what kubeconfigs and the encryption's configuration hold. What cannot be read is not known, and not collected."""
    for folder in _FOLDERS:
        for name in node.list_dir(folder):
            if name.endswith((".key", ".pem")) and (content := _read(node, posixpath.join(folder, name))):
                yield content
    for folder in _KUBECONFIGS:
        for name in node.list_dir(folder):
            if name.endswith(".conf") or name == "config":
                yield from _fields(node, posixpath.join(folder, name))
    yield from _fields(node, _ENCRYPTION)


def secrets_of_cluster(api: Api) -> Iterator[bytes]:
    """The values of all Secrets but Helm's. ApiError where they cannot be read, or are too many to be looked for."""
    left = _MOST
    for secret in api.list("v1", "Secret"):
        for name, value in (secret.get("data") or {}).items() if secret.get("type") != _COMPRESSED else ():
            if name not in _PUBLIC and not name.startswith("usage-"):
                content = base64.b64decode(value)
                left -= len(content)
                if left < 0:
                    raise ApiError(f"its Secrets have more than {_MOST >> 20} MiB, too much to look for in everything else")
                yield content


def try_secrets_of_cluster(api: Api) -> tuple[list[bytes], str]:
    """Those that could be read, and why not all."""
    try:
        return list(secrets_of_cluster(api)), ""
    except (ApiError, ValueError) as error:
        return [], str(error)


def _read(node: Node, path: str) -> bytes:
    try:
        return node.read(path) or b""
    except NodeError:
        return b""


def _fields(node: Node, path: str) -> Iterator[bytes]:
    try:
        document = read_document(node, path)
    except (NodeError, PhaseError, DocumentError):
        return
    yield from _values(document.data if document else {})


def _values(value: Any) -> Iterator[bytes]:
    if isinstance(value, dict):
        for name, each in value.items():
            if name in _SECRET_FIELDS and isinstance(each, str):
                yield each.encode()
            else:
                yield from _values(each)
    elif isinstance(value, list):
        for each in value:
            yield from _values(each)
