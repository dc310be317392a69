"""What the phases of `join` share."""

from __future__ import annotations

from dataclasses import field
from typing import TYPE_CHECKING

from pykubeadm.phases.run import ClusterRun
from pykubeadm.util.dataclass import dataclass

if TYPE_CHECKING:
    from pykubeadm.commands.join.trust import Trust
    from pykubeadm.config.model import JoinConfiguration
    from pykubeadm.kube.port import Api
    from pykubeadm.kubeconfig.table import KubeconfigFile
    from pykubeadm.phases.preflight.machine import Machine

_KUBECONFIGS = ("admin", "controller-manager", "scheduler")


@dataclass(slots=True, kw_only=True)
class JoinRun(ClusterRun):
    """One `join`. Its `configuration` is the cluster's, read from there, with this node's part put in: so the phases that
    `init` has, too, need not know which of the two they work for."""

    join: JoinConfiguration
    trust: Trust
    bootstrap_api: Api  # the cluster as the bootstrap token, or this node itself, may see it; for reading
    machine: Machine | None = None  # asked ahead of preflight
    is_member: bool = False  # the cluster knows this node already
    replaces: str = ""  # the name of a dead control plane whose place this one takes
    shared_files: dict[str, bytes] = field(default_factory=dict, repr=False)  # path → content, decrypted from kubeadm-certs

    @property
    def is_control_plane(self) -> bool:
        return self.join.control_plane is not None

    @property
    def has_local_etcd(self) -> bool:
        """Whether an etcd member is to run on this node."""
        return self.is_control_plane and self.configuration.cluster.etcd.external is None

    @property
    def kubeconfigs(self) -> tuple[KubeconfigFile, ...]:
        """The kubelet gets its own by TLS bootstrap; super-admin.conf stays on the first control plane."""
        from pykubeadm.kubeconfig.table import TABLE

        return tuple(entry for entry in TABLE if entry.name in _KUBECONFIGS)

    @property
    def kubelet_name(self) -> str:
        """The name of its Node."""
        from pykubeadm.manifests.kubelet import kubelet_name

        return kubelet_name(self.configuration.this_node.node_registration)
