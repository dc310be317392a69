"""The client certificate that a kubeconfig file holds: read, and put another in its place with all else kept."""

from __future__ import annotations

import base64
import binascii
import posixpath
from dataclasses import dataclass
from typing import Any

from pykubeadm.errors import PhaseError
from pykubeadm.kubeconfig.embed import current
from pykubeadm.node.port import Node
from pykubeadm.util.kube_object import KubeObject
from pykubeadm.util.yaml_output import to_yaml

_CA = "certificate-authority-data"
_CERTIFICATE = "client-certificate-data"
_KEY = "client-key-data"


@dataclass(frozen=True, slots=True)
class HeldClient:
    """What the current context of the kubeconfig at `path` is let in with. `certificate` and `ca` are PEM, empty where there is
    none; `certificate_path` is the file that holds the certificate where the kubeconfig only names it."""

    path: str
    document: KubeObject
    cluster: KubeObject
    user: KubeObject
    certificate: bytes
    certificate_path: str
    ca: bytes
    cluster_name: str

    def renewed(self, certificate: bytes, key: bytes, ca: bytes = b"") -> bytes:
        """The file with another certificate and key, and with `ca` (a bundle, PEM) for its cluster where that is given."""
        self.user.update({_CERTIFICATE: _base64(certificate), _KEY: _base64(key)})
        for reference in ("client-certificate", "client-key"):
            self.user.pop(reference, None)
        if ca:
            self.cluster[_CA] = _base64(ca)
        return to_yaml(self.document).encode()


def held_client(node: Node, path: str) -> HeldClient | None:
    """None where there is no file; PhaseError where it cannot be used."""
    import yaml

    content = node.read(path)
    if content is None:
        return None
    try:
        document: Any = yaml.load(content, Loader=yaml.CSafeLoader)
        cluster, user = current(document)
        named = str(user.get("client-certificate") or "")
        certificate_path = posixpath.join(posixpath.dirname(path), named) if named else ""
        certificate = (node.read(certificate_path) or b"") if named else _decoded(user, _CERTIFICATE)
        name = next((entry["name"] for entry in document["clusters"] if entry["cluster"] is cluster), "")
        return HeldClient(path, document, cluster, user, certificate, certificate_path, _decoded(cluster, _CA), name)
    except (yaml.YAMLError, KeyError, TypeError, AttributeError, ValueError) as error:
        why = str(error).splitlines()[0] if type(error) is ValueError else "is not a kubeconfig"
        raise PhaseError(f"{path} {why}; make it again with `pykubeadm init phase kubeconfig`") from error


def _decoded(section: KubeObject, field: str) -> bytes:
    try:
        return base64.b64decode(section.get(field) or "", validate=True)
    except binascii.Error as error:
        raise ValueError(f"has {field} that is not base64") from error


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")
