"""The phases of `join`, in order. This tuple gives the run, `join phase …`, --skip-phases and the help text."""

from __future__ import annotations

from pykubeadm.phases.joining.check_etcd import check_etcd
from pykubeadm.phases.joining.control_plane_join import control_plane_join, wait_control_plane
from pykubeadm.phases.joining.control_plane_prepare import control_plane_prepare
from pykubeadm.phases.joining.etcd_join import etcd_join
from pykubeadm.phases.joining.kubelet_start import kubelet_start
from pykubeadm.phases.joining.kubelet_wait_bootstrap import kubelet_wait_bootstrap
from pykubeadm.phases.joining.preflight import preflight
from pykubeadm.phases.joining.run import JoinRun
from pykubeadm.phases.prepare import prepare
from pykubeadm.phases.serving_approver import serving_approver
from pykubeadm.plan.phase import Phase

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
