"""When the certificates on a node expire: what the cluster's CAs signed, the CAs, and the kubelet's own."""

from __future__ import annotations

import posixpath
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from pykubeadm.constants import KUBELET_DIR, KUBERNETES_DIR
from pykubeadm.errors import PhaseError
from pykubeadm.kubeconfig.table import KubeconfigFile
from pykubeadm.phases.ca import certificate_path, is_external
from pykubeadm.phases.certs.leaves import LEAVES, Leaf, authorities
from pykubeadm.phases.kubeconfig.held import held_client
from pykubeadm.phases.run import ClusterRun
from pykubeadm.pki.check import load_certificates
from pykubeadm.pki.table import BY_NAME

if TYPE_CHECKING:
    from cryptography import x509

KUBELET_CLIENT = "kubelet.conf"
KUBELET_SERVING = "kubelet-serving"
# The kubelet's serving certificate: rotated by requests to the cluster (serverTLSBootstrap), else self-signed once.
KUBELET_SERVING_FILES = (f"{KUBELET_DIR}/pki/kubelet-server-current.pem", f"{KUBELET_DIR}/pki/kubelet.crt")


@dataclass(frozen=True, slots=True)
class Expiration:
    """`expires` is None where the certificate is missing; `ca` names its CA, "" for a CA and for what signs itself; `external`
    says that the CA's key is kept elsewhere."""

    name: str
    expires: datetime | None
    ca: str = ""
    external: bool = False


def leaf_expirations(run: ClusterRun) -> tuple[Expiration, ...]:
    """Of everything that can be renewed, by name."""
    return tuple(_of_leaf(run, leaf) for leaf in LEAVES if leaf.is_wanted(run.configuration))


def authority_expirations(run: ClusterRun) -> tuple[Expiration, ...]:
    found = []
    for ca in authorities(run.configuration):
        certificate = read_certificate(run, certificate_path(run, f"{ca.base}.crt"))
        external = is_external(run, ca)
        found.append(Expiration(ca.name, certificate.not_valid_after_utc if certificate else None, external=external))
    return tuple(found)


def kubelet_expirations(run: ClusterRun) -> tuple[Expiration, ...]:
    """Of those that the kubelet has by now: its client certificate, which it renews, and the one it serves with."""
    found = []
    client = kubelet_client(run)
    if client is not None:
        found.append(Expiration(KUBELET_CLIENT, client.not_valid_after_utc, "ca"))
    for path in KUBELET_SERVING_FILES:
        if (serving := read_certificate(run, path)) is not None:
            signer = "ca" if path == KUBELET_SERVING_FILES[0] else ""
            found.append(Expiration(KUBELET_SERVING, serving.not_valid_after_utc, signer))
            break
    return tuple(found)


def kubelet_client(run: ClusterRun) -> x509.Certificate | None:
    """The kubelet's client certificate; None where there is none."""
    held = held_client(run.node, f"{KUBERNETES_DIR}/{KUBELET_CLIENT}")
    if held is None or not held.certificate:
        return None
    return first_certificate(held.certificate, held.certificate_path or held.path)


def leaf_certificate(run: ClusterRun, leaf: Leaf) -> x509.Certificate | None:
    """What is there now, None where nothing is; PhaseError where it cannot be read."""
    if isinstance(leaf.spec, KubeconfigFile):
        path = posixpath.join(run.kubeconfig_dir, leaf.spec.file)
        held = held_client(run.node, path)
        if held is None:
            return None
        if not held.certificate:
            raise PhaseError(f"{path} holds no client certificate")
        return first_certificate(held.certificate, held.certificate_path or path)
    return read_certificate(run, certificate_path(run, f"{leaf.spec.base}.crt"))


def read_certificate(run: ClusterRun, path: str) -> x509.Certificate | None:
    """The first certificate of a file, None where there is no file; PhaseError where it holds none."""
    content = run.node.read(path)
    return None if content is None else first_certificate(content, path)


def first_certificate(pem: bytes, path: str) -> x509.Certificate:
    try:
        return load_certificates(pem)[0]
    except ValueError as error:
        raise PhaseError(
            f"{path} {error}; put the right one there, or move it away and make it again with `pykubeadm init phase`"
        ) from error


def _of_leaf(run: ClusterRun, leaf: Leaf) -> Expiration:
    certificate = leaf_certificate(run, leaf)
    if certificate is None:
        return Expiration(leaf.name, None, leaf.ca)
    return Expiration(leaf.name, certificate.not_valid_after_utc, leaf.ca, is_external(run, BY_NAME[leaf.ca]))
