"""Preflight of `init` (kubeadm: cmd/phases/init/preflight.go): checks for a first control plane, then the pull of its images."""

from __future__ import annotations

from pykubeadm.commands.init.joined import not_joined
from pykubeadm.commands.init.run import InitRun
from pykubeadm.config.model import ClusterConfiguration, Configuration, LocalEtcd
from pykubeadm.config.versions import pause_image
from pykubeadm.phases.preflight import runtime, system
from pykubeadm.phases.preflight.check import Check, run_checks
from pykubeadm.phases.preflight.common import common_checks, forwarding_checks, ignored_checks
from pykubeadm.phases.preflight.control_plane import (
    control_plane_checks,
    external_etcd_files,
    local_etcd_checks,
    pull_images,
    subnets,
)
from pykubeadm.phases.preflight.external_etcd import external_etcd_version
from pykubeadm.phases.preflight.machine import Machine
from pykubeadm.phases.preflight.ownership import ControlPlane
from pykubeadm.workflow.phase import Changes


def run_init_preflight(run: InitRun) -> Changes:
    """Raises PreflightError with everything that is in the way. Returns the images that were pulled."""
    configuration = run.configuration
    registration = configuration.this_node.node_registration
    machine = Machine(run.node, run.host, ControlPlane(run), registration.cri_socket)
    ignored = ignored_checks(run)

    def warn(message: str) -> None:
        run.note("warning", message, topic="preflight")

    run_checks((system.IS_PRIVILEGED_USER, not_joined(run)), machine, ignored, warn)
    run_checks(init_checks(configuration), machine, ignored, warn)
    return pull_images(run, machine, warn)


def init_checks(configuration: Configuration) -> tuple[Check, ...]:
    """The checks before anything is changed, without those for privileges and images."""
    cluster, node = configuration.cluster, configuration.this_node
    return (
        *control_plane_checks(cluster, node.local_api_endpoint.advertise_address, node.local_api_endpoint.bind_port),
        *common_checks(
            node.node_registration,
            configuration.kubelet,
            control_plane=cluster.kubernetes_version,
            kubernetes_version=cluster.kubernetes_version,
        ),
        *forwarding_checks((node.local_api_endpoint.advertise_address, *subnets(cluster))),
        runtime.sandbox_image(pause_image(cluster)),
        *_etcd_checks(cluster),
    )


def _etcd_checks(cluster: ClusterConfiguration) -> tuple[Check, ...]:
    if cluster.etcd.external is not None:
        return (external_etcd_version(cluster.etcd.external), *external_etcd_files(cluster.etcd.external))
    return local_etcd_checks(cluster.etcd.local or LocalEtcd())
