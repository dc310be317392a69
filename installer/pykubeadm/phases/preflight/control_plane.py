"""Checks for a node that is to be a control plane, whether it makes the cluster or joins it, and the pull of its images."""

from __future__ import annotations

from collections.abc import Callable

from pykubeadm.config.model import ClusterConfiguration, ExternalEtcd, LocalEtcd
from pykubeadm.config.versions import images
from pykubeadm.constants import (
    CONTROLLER_MANAGER_PORT,
    ETCD_CLIENT_PORT,
    ETCD_PEER_PORT,
    KUBELET_PORT,
    MANIFESTS_DIR,
    SCHEDULER_PORT,
)
from pykubeadm.phases.preflight import runtime, system
from pykubeadm.phases.preflight.check import Check, run_checks
from pykubeadm.phases.preflight.machine import Machine
from pykubeadm.phases.preflight.network import firewalld, http_proxy, http_proxy_cidr
from pykubeadm.phases.preflight.paths import authority_keys, closed_to_others, directory_available, file_available, file_existing
from pykubeadm.phases.preflight.ports import static_pod_port
from pykubeadm.phases.preflight.versions import deployed_version, kubernetes_version
from pykubeadm.phases.run import ClusterRun
from pykubeadm.workflow.phase import Changes

# kubeadm: constants.go, ControlPlaneNumCPU and ControlPlaneMem
_CPUS = 2
_MEMORY = 1700  # MB

_COMPONENTS = ("kube-apiserver", "kube-controller-manager", "kube-scheduler", "etcd")


def control_plane_checks(cluster: ClusterConfiguration, advertise_address: str, bind_port: int) -> tuple[Check, ...]:
    """What a node needs to become a control plane."""
    return (
        system.number_of_cpus(_CPUS),
        system.memory(_MEMORY),
        kubernetes_version(cluster.kubernetes_version),
        deployed_version(manifest("kube-apiserver"), cluster.kubernetes_version),
        firewalld((bind_port, KUBELET_PORT)),
        static_pod_port(bind_port, "kube-apiserver", manifest("kube-apiserver")),
        static_pod_port(SCHEDULER_PORT, "kube-scheduler", manifest("kube-scheduler")),
        static_pod_port(CONTROLLER_MANAGER_PORT, "kube-controller-manager", manifest("kube-controller-manager")),
        *(file_available(manifest(component)) for component in _COMPONENTS),
        authority_keys(cluster.certificates_dir),
        closed_to_others(cluster.certificates_dir),
        http_proxy(advertise_address),
        *(http_proxy_cidr(subnet) for subnet in subnets(cluster)),
    )


def local_etcd_checks(local: LocalEtcd) -> tuple[Check, ...]:
    """What an etcd member on this node needs."""
    return (
        static_pod_port(ETCD_CLIENT_PORT, "etcd", manifest("etcd")),
        static_pod_port(ETCD_PEER_PORT, "etcd", manifest("etcd")),
        directory_available(local.data_dir, owned_with=manifest("etcd")),
    )


def external_etcd_files(external: ExternalEtcd) -> tuple[Check, ...]:
    """The files with which the API server will speak to an external etcd."""
    paths = (external.ca_file, external.cert_file, external.key_file)
    return tuple(file_existing(path, "ExternalEtcdClientCertificates") for path in paths if path)


def manifest(component: str) -> str:
    return f"{MANIFESTS_DIR}/{component}.yaml"


def subnets(cluster: ClusterConfiguration) -> tuple[str, ...]:
    networking = cluster.networking
    return tuple(part.strip() for part in f"{networking.service_subnet},{networking.pod_subnet}".split(",") if part.strip())


def pull_images(run: ClusterRun, machine: Machine, warn: Callable[[str], None]) -> Changes:
    """Have a control plane's images on the node; PreflightError where some cannot be obtained."""
    registration = run.configuration.this_node.node_registration
    wanted = runtime.Images(images(run.configuration.cluster), registration.image_pull_policy, registration.image_pull_serial)
    if run.dry_run:
        return _would_pull(run, machine, wanted)
    pulled: list[str] = []
    run_checks((runtime.image_pull(wanted, pulled),), machine, run.ignore_preflight_errors, warn)
    return tuple(f"pulled {image}" for image in sorted(pulled))


def _would_pull(run: ClusterRun, machine: Machine, wanted: runtime.Images) -> Changes:
    """For a dry run; where the runtime cannot be asked, every image is named."""
    missing = wanted.names if machine.runtime().failure and wanted.policy != "Never" else wanted.missing(machine.cri)
    for image in missing:
        run.note("info", f"would pull {image}", topic="preflight")
    return ()
