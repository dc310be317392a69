"""The client certificate that a kubeconfig file holds: read, and put another in its place with all else kept."""

from __future__ import annotations

import base64
import posixpath

from pykubeadm.config.section import DocumentError
from pykubeadm.errors import PhaseError
from pykubeadm.kubeconfig.read import Kubeconfig, read_kubeconfig
from pykubeadm.node.port import Node
from pykubeadm.util.dataclass import dataclass
from pykubeadm.util.yaml_output import to_yaml


@dataclass(frozen=True, slots=True)
class HeldClient:
    """What the current context of the kubeconfig at `path` is let in with. `certificate` is PEM, empty where there is none;
    `certificate_path` is the file that holds it, where the kubeconfig only names that."""

    path: str
    kubeconfig: Kubeconfig
    certificate: bytes
    certificate_path: str

    def renewed(self, certificate: bytes, key: bytes, ca: bytes = b"") -> bytes:
        """The file with another certificate and key, and with `ca` (a bundle, PEM) for its cluster where that is given."""
        for field in ("client-certificate", "client-key"):
            self.kubeconfig.user.pop(field, None)
        self.kubeconfig.user.update({"client-certificate-data": _base64(certificate), "client-key-data": _base64(key)})
        if ca:
            self.kubeconfig.cluster["certificate-authority-data"] = _base64(ca)
        return to_yaml(self.kubeconfig.document).encode()

    def trusting(self, ca: bytes) -> bytes:
        """The file with `ca` (a bundle, PEM) for its cluster, and all else as it is."""
        self.kubeconfig.cluster.pop("certificate-authority", None)
        self.kubeconfig.cluster["certificate-authority-data"] = _base64(ca)
        return to_yaml(self.kubeconfig.document).encode()


def held_client(node: Node, path: str) -> HeldClient | None:
    """None where there is no file; PhaseError where it cannot be used."""
    content = node.read(path)
    if content is None:
        return None
    try:
        kubeconfig = read_kubeconfig(content)
    except DocumentError as error:
        raise PhaseError(
            f"{path} {error}; put the right one there, or move it away and make it again with `pykubeadm init phase kubeconfig`"
        ) from error
    named = kubeconfig.certificate_path
    certificate_path = posixpath.join(posixpath.dirname(path), named) if named else ""
    certificate = (node.read(certificate_path) or b"") if named else kubeconfig.certificate
    return HeldClient(path, kubeconfig, certificate, certificate_path)


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")
