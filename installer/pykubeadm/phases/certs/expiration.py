"""When the certificates on a node expire: what the cluster's CAs signed, the CAs, and the kubelet's own.

Light to import: monitoring asks often, and nothing but the end of each certificate is read.
"""

from __future__ import annotations

import posixpath
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from functools import partial

from pykubeadm.constants import KUBELET_DIR, KUBERNETES_DIR
from pykubeadm.errors import NodeError, PhaseError
from pykubeadm.kubeconfig.table import KubeconfigFile
from pykubeadm.node.port import Node
from pykubeadm.phases.certs.leaves import LEAVES, Leaf, authorities
from pykubeadm.phases.certs.place import Place
from pykubeadm.phases.kubeconfig.held import held_client
from pykubeadm.pki.pem import certificate_blocks
from pykubeadm.pki.table import BY_NAME, CertificateSpec
from pykubeadm.util.dataclass import dataclass
from pykubeadm.util.der import validity

# The kubelet renews its own certificates when 70 to 90 % of their time are over (client-go: util/certificate,
# nextRotationDeadline). With less than this part of it left it failed to.
OVERDUE = 0.1
KUBELET_CLIENT = "kubelet.conf"
KUBELET_SERVING = "kubelet-serving"
# The kubelet's serving certificate: rotated by requests to the cluster (serverTLSBootstrap), else self-signed once.
KUBELET_SERVING_FILES = (f"{KUBELET_DIR}/pki/kubelet-server-current.pem", f"{KUBELET_DIR}/pki/kubelet.crt")


@dataclass(frozen=True, slots=True)
class Expiration:
    """`begins` and `expires` are None where the certificate is missing, or cannot be read, of which `problem` is the sentence;
    `ca` names its CA, "" for a CA and for what signs itself; `external` says that the CA's key is kept elsewhere."""

    name: str
    begins: datetime | None
    expires: datetime | None
    ca: str = ""
    external: bool = False
    problem: str = ""


@dataclass(frozen=True, slots=True)
class CertificateFile:
    """What a file holds: `pem` begins with the certificate that counts."""

    path: str
    pem: bytes

    def unusable(self, error: ValueError) -> PhaseError:
        """For what is wrong with `pem`, the end of a sentence."""
        return PhaseError(
            f"{self.path} {error}; put the right one there, or move it away and make it again with `pykubeadm init phase`"
        )


def leaf_expirations(node: Node, place: Place) -> tuple[Expiration, ...]:
    """Of everything that can be renewed, by name."""
    return tuple(_of_leaf(node, place, leaf) for leaf in LEAVES if not (leaf.is_for_etcd and place.external_etcd))


def authority_expirations(node: Node, place: Place) -> tuple[Expiration, ...]:
    return tuple(
        _expiration(
            ca.name,
            partial(certificate_file, node, posixpath.join(place.certificates_dir, f"{ca.base}.crt")),
            external=_is_external(node, place, ca),
        )
        for ca in authorities(external_etcd=bool(place.external_etcd))
    )


def kubelet_expirations(node: Node) -> tuple[Expiration, ...]:
    """Of those that the kubelet has by now: its client certificate, which it renews, and the one it serves with."""
    found = []
    client = _expiration(KUBELET_CLIENT, partial(_kubelet_client, node), "ca")
    if client.expires is not None or client.problem:
        found.append(client)
    for path in KUBELET_SERVING_FILES:
        if node.stat(path) is not None:
            ca = "ca" if path == KUBELET_SERVING_FILES[0] else ""
            found.append(_expiration(KUBELET_SERVING, partial(certificate_file, node, path), ca))
            break
    return tuple(found)


def _kubelet_client(node: Node) -> CertificateFile | None:
    """None too where kubelet.conf has a token in its place."""
    found = kubeconfig_certificate(node, f"{KUBERNETES_DIR}/{KUBELET_CLIENT}")
    return found if found is not None and found.pem else None


def leaf_file(node: Node, place: Place, leaf: Leaf) -> CertificateFile | None:
    """Where the certificate is, None where there is none; PhaseError where a kubeconfig cannot be read or holds none."""
    path = leaf.path(place.certificates_dir, place.kubeconfig_dir)
    if not isinstance(leaf.spec, KubeconfigFile):
        return certificate_file(node, path)
    found = kubeconfig_certificate(node, path)
    if found is not None and not found.pem:
        raise PhaseError(f"{found.path} holds no client certificate")
    return found


def certificate_file(node: Node, path: str) -> CertificateFile | None:
    content = node.read(path)
    return None if content is None else CertificateFile(path, content)


def kubeconfig_certificate(node: Node, path: str) -> CertificateFile | None:
    """The client certificate of a kubeconfig, its `pem` empty where it has none; None where there is no file. PhaseError where
    the kubeconfig cannot be used."""
    held = held_client(node, path)
    return None if held is None else CertificateFile(held.certificate_path or held.path, held.certificate)


def _of_leaf(node: Node, place: Place, leaf: Leaf) -> Expiration:
    found = _expiration(leaf.name, partial(leaf_file, node, place, leaf), leaf.ca)
    return replace(found, external=found.expires is not None and _is_external(node, place, BY_NAME[leaf.ca]))


def _expiration(name: str, read: Callable[[], CertificateFile | None], ca: str = "", *, external: bool = False) -> Expiration:
    try:
        file = read()
        if file is None:
            return Expiration(name, None, None, ca, external)
        try:
            begins, expires = validity(certificate_blocks(file.pem)[0].content)
        except ValueError as error:
            raise file.unusable(error) from error
    except (PhaseError, NodeError) as error:
        return Expiration(name, None, None, ca, external, str(error))
    return Expiration(name, begins, expires, ca, external)


def _is_external(node: Node, place: Place, ca: CertificateSpec) -> bool:
    """Whether the CA's certificate is here and its key is not."""
    base = posixpath.join(place.certificates_dir, ca.base)
    return node.stat(f"{base}.crt") is not None and node.stat(f"{base}.key") is None
