"""The phases of `join`, in order. This tuple gives the run, `join phase …`, --skip-phases and the help text."""

from __future__ import annotations

from pykubeadm.commands.join.check_etcd import check_etcd
from pykubeadm.commands.join.control_plane_join import control_plane_join, wait_control_plane
from pykubeadm.commands.join.control_plane_prepare import control_plane_prepare
from pykubeadm.commands.join.etcd_join import etcd_join
from pykubeadm.commands.join.kubelet_start import kubelet_start
from pykubeadm.commands.join.kubelet_wait_bootstrap import kubelet_wait_bootstrap
from pykubeadm.commands.join.preflight import preflight
from pykubeadm.commands.join.run import JoinRun
from pykubeadm.phases.kubelet.serving_approver import serving_approver
from pykubeadm.phases.prepare import prepare
from pykubeadm.workflow.phase import Phase

PHASES: tuple[Phase[JoinRun], ...] = (
    prepare,
    preflight,
    control_plane_prepare,
    check_etcd,
    kubelet_start,
    etcd_join,
    kubelet_wait_bootstrap,
    control_plane_join,
    wait_control_plane,
    serving_approver,
)
