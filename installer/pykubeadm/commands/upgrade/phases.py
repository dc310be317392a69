"""The phases of `upgrade apply` and of `upgrade node`, in order; each tuple gives a run, `phase …`, --skip-phases and help."""

from __future__ import annotations

from pykubeadm.commands.upgrade.bootstrap_token import bootstrap_token
from pykubeadm.commands.upgrade.kubeconfig import kubeconfig
from pykubeadm.commands.upgrade.kubelet import kubelet
from pykubeadm.commands.upgrade.post_upgrade import post_upgrade
from pykubeadm.commands.upgrade.preflight import apply_preflight, node_preflight
from pykubeadm.commands.upgrade.run import UpgradeRun
from pykubeadm.commands.upgrade.upload_config import upload_config
from pykubeadm.phases.addons.phase import addon
from pykubeadm.phases.replacing.control_plane import control_plane
from pykubeadm.phases.replacing.kubelet_config import kubelet_config
from pykubeadm.workflow.phase import Phase

APPLY: tuple[Phase[UpgradeRun], ...] = (
    apply_preflight,
    control_plane,
    upload_config,
    kubeconfig,
    kubelet_config,
    bootstrap_token,
    addon,
    post_upgrade,
    kubelet,
)
NODE: tuple[Phase[UpgradeRun], ...] = (
    node_preflight,
    control_plane,
    kubeconfig,
    kubelet_config,
    addon,
    post_upgrade,
    kubelet,
)
