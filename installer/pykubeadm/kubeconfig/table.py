"""The kubeconfig files of a control plane, as a table (kubeadm: phases/kubeconfig/kubeconfig.go)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pykubeadm.config.endpoint import control_plane_url, local_url
from pykubeadm.util.dataclass import dataclass

if TYPE_CHECKING:
    from pykubeadm.config.model import Configuration


@dataclass(frozen=True, slots=True)
class KubeconfigFile:
    """One row. `user` is the certificate's common name; where it ends with ":", the node's name follows.
    `local`: the file points to this node's own API server, not to controlPlaneEndpoint."""

    name: str
    file: str
    summary: str
    user: str
    organizations: tuple[str, ...] = ()
    local: bool = False

    def user_name(self, configuration: Configuration) -> str:
        return f"{self.user}{configuration.this_node.node_registration.name}" if self.user.endswith(":") else self.user

    def server(self, configuration: Configuration) -> str:
        return local_url(configuration.this_node.local_api_endpoint) if self.local else control_plane_url(configuration)


TABLE: tuple[KubeconfigFile, ...] = (
    KubeconfigFile(
        "admin", "admin.conf", "Write the administrator's kubeconfig", "kubernetes-admin", ("kubeadm:cluster-admins",)
    ),
    KubeconfigFile(
        "super-admin",
        "super-admin.conf",
        "Write the kubeconfig that bypasses RBAC",
        "kubernetes-super-admin",
        ("system:masters",),
    ),
    KubeconfigFile("kubelet", "kubelet.conf", "Write this kubelet's kubeconfig", "system:node:", ("system:nodes",), local=True),
    KubeconfigFile(
        "controller-manager",
        "controller-manager.conf",
        "Write the controller manager's kubeconfig",
        "system:kube-controller-manager",
        local=True,
    ),
    KubeconfigFile("scheduler", "scheduler.conf", "Write the scheduler's kubeconfig", "system:kube-scheduler", local=True),
)
