"""The phases of `init`, in order. This tuple gives the run, `init phase …`, --skip-phases and the help text."""

from __future__ import annotations

from pykubeadm.commands.init.addon import addon
from pykubeadm.commands.init.bootstrap_token import bootstrap_token
from pykubeadm.commands.init.etcd import etcd
from pykubeadm.commands.init.kubelet_finalize import kubelet_finalize
from pykubeadm.commands.init.kubelet_start import kubelet_start
from pykubeadm.commands.init.preflight import preflight
from pykubeadm.commands.init.run import InitRun
from pykubeadm.commands.init.show_join_command import show_join_command
from pykubeadm.commands.init.upload_certs import upload_certs
from pykubeadm.phases.certs.phase import certs
from pykubeadm.phases.cluster.mark_control_plane import mark_control_plane
from pykubeadm.phases.cluster.upload_config import upload_config
from pykubeadm.phases.cluster.wait_control_plane import wait_control_plane
from pykubeadm.phases.kubeconfig.phase import kubeconfig
from pykubeadm.phases.kubelet.serving_approver import serving_approver
from pykubeadm.phases.prepare import prepare
from pykubeadm.phases.static_pods.control_plane import control_plane
from pykubeadm.workflow.phase import Phase

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
