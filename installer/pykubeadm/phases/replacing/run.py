"""What the phases share that change a node which is part of a cluster, and its cluster."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from typing import TYPE_CHECKING, Any, Final

from pykubeadm.constants import KUBERNETES_DIR
from pykubeadm.phases.cluster.stored import Reader, administrator
from pykubeadm.phases.run import ClusterRun
from pykubeadm.util.dataclass import dataclass

if TYPE_CHECKING:
    from pykubeadm.config.model import ClusterConfiguration
    from pykubeadm.phases.preflight.machine import Machine

KUBELET_KUBECONFIG: Final = f"{KUBERNETES_DIR}/kubelet.conf"


@dataclass(slots=True, kw_only=True)
class ReplacingRun(ClusterRun):
    """A run that brings a node of a cluster to another version, or another configuration.

    `configuration` is the cluster's as it is to be, and this node as its own files have it; `kubelet` and `kube_proxy` in it are
    empty where those of the cluster stay: phases read them when they need them. `stored` is the ClusterConfiguration, and
    `stored_kube_proxy` the KubeProxyConfiguration where another is given, as they are in the cluster. `api` is connected.
    """

    command: str  # for the record, and in sentences
    stored: ClusterConfiguration
    stored_kube_proxy: Mapping[str, Any] = field(default_factory=dict)
    has_control_plane: bool  # whether one runs on this node
    machine: Machine | None = None  # what preflight has asked
    replaces_kubelet: bool = False  # whether its program follows its files, so that both may have to be put back
    resumed: bool = False  # what an earlier run has begun to change here is not finished
    certificate_renewal: bool = True
    etcd_upgrade: bool = True
    keeps_images: bool = False  # of etcd and CoreDNS, where the configuration does not name others than it did

    @property
    def is_control_plane(self) -> bool:
        return self.has_control_plane

    @property
    def target(self) -> str:
        """The version that the cluster is to have ("v1.36.2")."""
        return self.configuration.cluster.kubernetes_version

    @property
    def has_local_etcd(self) -> bool:
        """Whether an etcd member runs on this node."""
        return self.has_control_plane and self.configuration.cluster.etcd.external is None


def reader_of(kubeconfig: str) -> Reader:
    """Who asks the cluster with this kubeconfig, for sentences: a worker asks as the node that it is."""
    if kubeconfig != KUBELET_KUBECONFIG:
        return administrator(kubeconfig)
    return Reader(
        kubeconfig,
        "its certificate is of another cluster or has expired: `pykubeadm join` on this node has it join again",
        "the Roles kubeadm:nodes-kubeadm-config and kubeadm:kubelet-config in kube-system let nodes read it; `pykubeadm init "
        "phase upload-config all` on a control plane makes them",
    )
