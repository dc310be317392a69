"""kubelet-start: the kubelet's configuration and flags, and the kubelet with them. The static pods are there by now."""

from __future__ import annotations

from pykubeadm.phases.run import ClusterRun
from pykubeadm.workflow.phase import Changes, Phase


def _apply(run: ClusterRun) -> Changes:
    from pykubeadm.phases.kubelet.files import kubelet_files
    from pykubeadm.phases.kubelet.start import start_kubelet

    return start_kubelet(run, kubelet_files(run))


kubelet_start: Phase[ClusterRun] = Phase(
    name="kubelet-start",
    summary="Write the kubelet's settings and (re)start the kubelet",
    apply=_apply,
    flags=("config", "image-repository", "cri-socket", "node-name", "patches", "dry-run"),
)
