"""What can be renewed on a control plane, under kubeadm's names: certificates of their own and those in kubeconfig files.

kubeadm 1.36: phases/certs/renewal/manager.go and certlist.go, whose words for them are shown. Light to import: the command line
makes its sub-commands of it.
"""

from __future__ import annotations

import posixpath
from typing import TYPE_CHECKING

from pykubeadm.kubeconfig.table import TABLE as KUBECONFIGS
from pykubeadm.kubeconfig.table import KubeconfigFile
from pykubeadm.pki.table import BY_NAME, TABLE, CertificateSpec
from pykubeadm.util.dataclass import dataclass

if TYPE_CHECKING:
    from pykubeadm.config.model import Configuration

_WORDS = {
    "apiserver": "certificate for serving the Kubernetes API",
    "apiserver-etcd-client": "certificate the apiserver uses to access etcd",
    "apiserver-kubelet-client": "certificate for the API server to connect to kubelet",
    "etcd-healthcheck-client": "certificate for liveness probes to healthcheck etcd",
    "etcd-peer": "certificate for etcd nodes to communicate with each other",
    "etcd-server": "certificate for serving etcd",
    "front-proxy-client": "certificate for the front proxy client",
    "admin.conf": "certificate embedded in the kubeconfig file for the admin to use and for kubeadm itself",
    "controller-manager.conf": "certificate embedded in the kubeconfig file for the controller manager to use",
    "scheduler.conf": "certificate embedded in the kubeconfig file for the scheduler manager to use",
    "super-admin.conf": "certificate embedded in the kubeconfig file for the super-admin",
}


@dataclass(frozen=True, slots=True)
class Leaf:
    """One certificate that a CA of the cluster signed. `name` is what kubeadm calls it, `words` how kubeadm describes it;
    `ca` names the row of its CA in `pki.table`; `spec` is its row there, or that of the kubeconfig that holds it."""

    name: str
    words: str
    ca: str
    spec: CertificateSpec | KubeconfigFile

    def is_wanted(self, configuration: Configuration) -> bool:
        """An external etcd brings its own certificates."""
        return not (self.is_for_etcd and configuration.cluster.etcd.external)

    def path(self, certificates_dir: str, kubeconfig_dir: str) -> str:
        """The file of its own, or the kubeconfig that holds it."""
        if isinstance(self.spec, KubeconfigFile):
            return posixpath.join(kubeconfig_dir, self.spec.file)
        return posixpath.join(certificates_dir, f"{self.spec.base}.crt")

    @property
    def is_for_etcd(self) -> bool:
        return self.ca == "etcd-ca"


def _leaf(spec: CertificateSpec | KubeconfigFile) -> Leaf:
    if isinstance(spec, KubeconfigFile):
        return Leaf(spec.file, _WORDS[spec.file], "ca", spec)
    return Leaf(spec.name, _WORDS[spec.name], spec.signer, spec)


# The kubelet renews its own.
LEAVES: tuple[Leaf, ...] = tuple(
    sorted(
        (
            *(_leaf(spec) for spec in TABLE if not spec.is_ca),
            *(_leaf(spec) for spec in KUBECONFIGS if spec.name != "kubelet"),
        ),
        key=lambda leaf: leaf.name,
    )
)


def authorities(*, external_etcd: bool) -> tuple[CertificateSpec, ...]:
    """The CAs of the cluster, sorted by name. An external etcd brings its own."""
    names = sorted(spec.name for spec in TABLE if spec.is_ca)
    return tuple(BY_NAME[name] for name in names if not (name == "etcd-ca" and external_etcd))
