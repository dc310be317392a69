"""control-plane: the static pods of the API server, the controller manager and the scheduler."""

from __future__ import annotations

from pykubeadm.phases.run import ClusterRun
from pykubeadm.phases.static_pods.manifests import write_static_pod
from pykubeadm.workflow.phase import Changes, Phase


def _apiserver(run: ClusterRun) -> Changes:
    from pykubeadm.manifests.apiserver import NAME, apiserver_pod

    node = run.configuration.this_node
    pod = apiserver_pod(run.configuration.cluster, node.local_api_endpoint, node.timeouts, run.host, run.note)
    return write_static_pod(run, NAME, pod)


def _controller_manager(run: ClusterRun) -> Changes:
    from pykubeadm.manifests.controller_manager import NAME, controller_manager_pod
    from pykubeadm.phases.ca import uses_external_ca

    configuration = run.configuration
    pod = controller_manager_pod(
        configuration.cluster, configuration.this_node.timeouts, run.host, external_ca=uses_external_ca(run)
    )
    return write_static_pod(run, NAME, pod)


def _scheduler(run: ClusterRun) -> Changes:
    from pykubeadm.manifests.scheduler import NAME, scheduler_pod

    pod = scheduler_pod(run.configuration.cluster, run.configuration.this_node.timeouts, run.host)
    return write_static_pod(run, NAME, pod)


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
            apply=_apiserver,
            flags=(*_FLAGS, *_APISERVER_FLAGS),
        ),
        Phase(
            name="controller-manager",
            summary="Write the static pod manifest of kube-controller-manager",
            apply=_controller_manager,
            flags=(*_FLAGS, *_CONTROLLER_MANAGER_FLAGS),
        ),
        Phase(
            name="scheduler",
            summary="Write the static pod manifest of kube-scheduler",
            apply=_scheduler,
            flags=(*_FLAGS, "scheduler-extra-args"),
        ),
    ),
)
