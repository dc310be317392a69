"""The phases of `init`, in order. This tuple gives the run, `init phase …`, --skip-phases and the help text."""

from __future__ import annotations

from pykubeadm.phases.addon import addon
from pykubeadm.phases.bootstrap_token import bootstrap_token
from pykubeadm.phases.certs import certs
from pykubeadm.phases.control_plane import control_plane
from pykubeadm.phases.etcd import etcd
from pykubeadm.phases.kubeconfig import kubeconfig
from pykubeadm.phases.kubelet_finalize import kubelet_finalize
from pykubeadm.phases.kubelet_start import kubelet_start
from pykubeadm.phases.mark_control_plane import mark_control_plane
from pykubeadm.phases.preflight import preflight
from pykubeadm.phases.prepare import prepare
from pykubeadm.phases.run import InitRun
from pykubeadm.phases.serving_approver import serving_approver
from pykubeadm.phases.show_join_command import show_join_command
from pykubeadm.phases.upload_certs import upload_certs
from pykubeadm.phases.upload_config import upload_config
from pykubeadm.phases.wait_control_plane import wait_control_plane
from pykubeadm.plan.phase import Phase

PHASES: tuple[Phase[InitRun], ...] = (
    prepare,
    preflight,
    certs,
    kubeconfig,
    etcd,
    control_plane,
    kubelet_start,
    wait_control_plane,
    upload_config,
    upload_certs,
    mark_control_plane,
    bootstrap_token,
    kubelet_finalize,
    addon,
    serving_approver,
    show_join_command,
)
