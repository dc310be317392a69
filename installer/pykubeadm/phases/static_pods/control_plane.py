"""control-plane: the static pods of the API server, the controller manager and the scheduler."""

from __future__ import annotations

from functools import partial

from pykubeadm.phases.run import ClusterRun
from pykubeadm.phases.static_pods import pods
from pykubeadm.phases.static_pods.manifests import write_static_pod
from pykubeadm.workflow.phase import Changes, Phase

# By the names of the phases: the static pod, and what it is made of.
_PODS = {
    "apiserver": ("kube-apiserver", pods.apiserver),
    "controller-manager": ("kube-controller-manager", pods.controller_manager),
    "scheduler": ("kube-scheduler", pods.scheduler),
}


def _write(phase: str, run: ClusterRun) -> Changes:
    name, pod = _PODS[phase]
    return write_static_pod(run, name, pod(run))


_FLAGS = ("config", "cert-dir", "kubernetes-version", "image-repository", "patches", "dry-run")
_APISERVER_FLAGS = (
    "apiserver-advertise-address",
    "control-plane-endpoint",
    "apiserver-bind-port",
    "apiserver-extra-args",
    "feature-gates",
    "service-cidr",
)
_CONTROLLER_MANAGER_FLAGS = ("controller-manager-extra-args", "pod-network-cidr")

control_plane: Phase[ClusterRun] = Phase(
    name="control-plane",
    summary="Write the static pod manifests of the control plane",
    flags=(*_FLAGS, *_APISERVER_FLAGS, *_CONTROLLER_MANAGER_FLAGS, "scheduler-extra-args"),
    phases=(
        Phase(
            name="apiserver",
            summary="Write the static pod manifest of kube-apiserver",
            apply=partial(_write, "apiserver"),
            flags=(*_FLAGS, *_APISERVER_FLAGS),
        ),
        Phase(
            name="controller-manager",
            summary="Write the static pod manifest of kube-controller-manager",
            apply=partial(_write, "controller-manager"),
            flags=(*_FLAGS, *_CONTROLLER_MANAGER_FLAGS),
        ),
        Phase(
            name="scheduler",
            summary="Write the static pod manifest of kube-scheduler",
            apply=partial(_write, "scheduler"),
            flags=(*_FLAGS, "scheduler-extra-args"),
        ),
    ),
)
