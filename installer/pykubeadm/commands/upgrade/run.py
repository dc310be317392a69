"""What the phases of `upgrade apply` and `upgrade node` share, and what `plan` and `diff` look at."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from pykubeadm.constants import KUBERNETES_DIR
from pykubeadm.phases.cluster.stored import Reader, administrator
from pykubeadm.phases.run import ClusterRun

if TYPE_CHECKING:
    from pykubeadm.config.model import ClusterConfiguration, UpgradeConfiguration
    from pykubeadm.config.upgrade_flags import Part
    from pykubeadm.phases.preflight.machine import Machine


KUBELET_KUBECONFIG: Final = f"{KUBERNETES_DIR}/kubelet.conf"
DRAIN_TIMEOUT: Final = timedelta(minutes=5)


@dataclass(slots=True, kw_only=True)
class UpgradeRun(ClusterRun):
    """One `upgrade` command (its `part`) on one node.

    `configuration` is the cluster's with the version that it is to have, and this node as its own files have it; `kubelet` and
    `kube_proxy` in it are empty: phases read those of the cluster when they need them. `stored` is the ClusterConfiguration as
    it is in the cluster. Of `upgrade` the section `part` counts. `api` is connected.
    """

    part: Part
    upgrade: UpgradeConfiguration
    stored: ClusterConfiguration
    has_control_plane: bool  # whether one runs on this node
    machine: Machine | None = None  # what preflight has asked
    resumed: bool = False  # what an earlier run has begun to change here is not finished
    confirm: Callable[[], bool] = lambda: False  # asks the user
    interactive: bool = False  # whether the user is asked: not with --yes, --force or in a dry run
    certificate_renewal: bool = True
    etcd_upgrade: bool = True
    delete_emptydir_data: bool = False  # of pods that a drain evicts
    drain_timeout: timedelta = DRAIN_TIMEOUT

    @property
    def is_control_plane(self) -> bool:
        return self.has_control_plane

    @property
    def makes_authorities(self) -> bool:
        return False

    @property
    def target(self) -> str:
        """The version that is upgraded to ("v1.36.2"); in `plan` without a version the one that the cluster has."""
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
