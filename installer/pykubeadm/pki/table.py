"""The certificates of a kubeadm cluster, as a table (kubeadm 1.36: phases/certs/certlist.go).

Light to import: the phases and the help text use it where nothing is issued.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from typing import TYPE_CHECKING

from pykubeadm.pki.sans import Names, apiserver_names, etcd_peer_names, etcd_server_names
from pykubeadm.util.dataclass import dataclass

if TYPE_CHECKING:
    from pykubeadm.config.model import Configuration


class Usage(StrEnum):
    """Extended key usages (RFC 5280, 4.2.1.12)."""

    SERVER_AUTH = "serverAuth"
    CLIENT_AUTH = "clientAuth"


@dataclass(frozen=True, slots=True)
class CertificateSpec:
    """One row. `base` is the path below certificatesDir without its ending. `signer` names the row of the CA that signs
    it and is "" for a CA, which signs itself. `common_name` is "" where it is the node's name."""

    name: str
    base: str
    summary: str
    signer: str = ""
    common_name: str = ""
    usages: tuple[Usage, ...] = ()
    names: Callable[[Configuration], Names] | None = None

    @property
    def is_ca(self) -> bool:
        return not self.signer


_SERVER = (Usage.SERVER_AUTH,)
_CLIENT = (Usage.CLIENT_AUTH,)
_BOTH = (Usage.SERVER_AUTH, Usage.CLIENT_AUTH)  # etcd checks clientAuth on its serving certificate too

# In the order of the phases: a CA stands before what it signs.
TABLE: tuple[CertificateSpec, ...] = (
    CertificateSpec("ca", "ca", "Make the cluster's certificate authority", common_name="kubernetes"),
    CertificateSpec(
        "apiserver", "apiserver", "Issue the API server's serving certificate", "ca", "kube-apiserver", _SERVER, apiserver_names
    ),
    CertificateSpec(
        "apiserver-kubelet-client",
        "apiserver-kubelet-client",
        "Issue the API server's client certificate for kubelets",
        "ca",
        # No organization: its rights come from the ClusterRoleBinding kubeadm:apiserver-kubelet-client.
        "kube-apiserver-kubelet-client",
        _CLIENT,
    ),
    CertificateSpec(
        "front-proxy-ca", "front-proxy-ca", "Make the front proxy's certificate authority", common_name="front-proxy-ca"
    ),
    CertificateSpec(
        "front-proxy-client",
        "front-proxy-client",
        "Issue the front proxy's client certificate",
        "front-proxy-ca",
        "front-proxy-client",
        _CLIENT,
    ),
    CertificateSpec("etcd-ca", "etcd/ca", "Make etcd's certificate authority", common_name="etcd-ca"),
    CertificateSpec(
        "etcd-server", "etcd/server", "Issue etcd's serving certificate", "etcd-ca", usages=_BOTH, names=etcd_server_names
    ),
    CertificateSpec(
        "etcd-peer", "etcd/peer", "Issue the certificate between etcd's members", "etcd-ca", usages=_BOTH, names=etcd_peer_names
    ),
    CertificateSpec(
        "etcd-healthcheck-client",
        "etcd/healthcheck-client",
        "Issue the client certificate for etcd's health checks",
        "etcd-ca",
        "kube-etcd-healthcheck-client",
        _CLIENT,
    ),
    CertificateSpec(
        "apiserver-etcd-client",
        "apiserver-etcd-client",
        "Issue the API server's client certificate for etcd",
        "etcd-ca",
        "kube-apiserver-etcd-client",
        _CLIENT,
    ),
)

BY_NAME = {entry.name: entry for entry in TABLE}


def signed_by(ca: CertificateSpec) -> tuple[CertificateSpec, ...]:
    """The rows that `ca` signs."""
    return tuple(entry for entry in TABLE if entry.signer == ca.name)
