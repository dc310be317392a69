"""The phases of `reconfigure`, in order. What the cluster holds changes only after this node was seen to run with it."""

from __future__ import annotations

from dataclasses import replace

from pykubeadm.commands.reconfigure.addon import addon
from pykubeadm.commands.reconfigure.certificates import certs
from pykubeadm.commands.reconfigure.encryption.rewriting import encryption_phase
from pykubeadm.commands.reconfigure.endpoint import kubeconfig
from pykubeadm.commands.reconfigure.kubelet import kubelet
from pykubeadm.commands.reconfigure.preflight import preflight
from pykubeadm.commands.reconfigure.run import ReconfigureRun
from pykubeadm.commands.reconfigure.upload_config import upload_config
from pykubeadm.phases.replacing.control_plane import control_plane
from pykubeadm.workflow.phase import Phase

PHASES: tuple[Phase[ReconfigureRun], ...] = (
    preflight,
    replace(
        control_plane,
        summary="Bring the static pods of this node to the configuration, one after the other",
        flags=("kubeconfig", "patches"),
    ),
    certs,
    kubeconfig,
    kubelet,
    addon,
    upload_config,
    encryption_phase,
)
