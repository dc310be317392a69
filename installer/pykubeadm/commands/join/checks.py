"""Preflight of `join` (kubeadm: cmd/phases/join/preflight.go): what every node needs, and more for a control plane."""

from __future__ import annotations

from urllib.parse import urlsplit

from pykubeadm.commands.join.kubelet_start import other_name
from pykubeadm.commands.join.member import JoinOwner
from pykubeadm.commands.join.run import JoinRun
from pykubeadm.config.model import LocalEtcd
from pykubeadm.config.versions import pause_image
from pykubeadm.constants import KUBELET_FLAGS_ENV, KUBERNETES_DIR
from pykubeadm.phases.preflight import runtime, system
from pykubeadm.phases.preflight.check import FINE, Check, error, run_checks
from pykubeadm.phases.preflight.common import common_checks, forwarding_checks, ignored_checks
from pykubeadm.phases.preflight.control_plane import (
    control_plane_checks,
    external_etcd_files,
    local_etcd_checks,
    pull_images,
)
from pykubeadm.phases.preflight.machine import Machine
from pykubeadm.phases.preflight.network import http_proxy
from pykubeadm.phases.preflight.paths import file_available
from pykubeadm.workflow.phase import Changes


def run_join_preflight(run: JoinRun) -> Changes:
    """Raises PreflightError with everything that is in the way. Returns the images that were pulled."""
    machine = run.machine
    if run.prepared or machine is None or not machine.is_good():  # what was not there yet may be by now
        machine = Machine(run.node, run.host, run.journal, run.configuration.this_node.node_registration.cri_socket)
    machine.owner = JoinOwner(run)

    def warn(message: str) -> None:
        run.note("warning", message, topic="preflight")

    run_checks((system.IS_PRIVILEGED_USER,), machine, run.ignore_preflight_errors, warn)
    run_checks(join_checks(run), machine, ignored_checks(run), warn)
    return pull_images(run, machine, warn) if run.is_control_plane else ()


def join_checks(run: JoinRun) -> tuple[Check, ...]:
    """The checks before anything is changed, without those for privileges and images."""
    cluster, node = run.configuration.cluster, run.configuration.this_node
    endpoint = urlsplit(str(run.trust.cluster["server"])).hostname or ""
    return (
        Check("NodeName", lambda _machine: error(sentence) if (sentence := other_name(run)) else FINE),
        file_available(f"{KUBERNETES_DIR}/kubelet.conf", owned_with=KUBELET_FLAGS_ENV),
        file_available(f"{KUBERNETES_DIR}/bootstrap-kubelet.conf", owned_with=KUBELET_FLAGS_ENV),
        *(() if run.is_control_plane else (file_available(run.join.ca_cert_path),)),
        *common_checks(
            node.node_registration,
            run.configuration.kubelet,
            control_plane=cluster.kubernetes_version,
            kubernetes_version=cluster.kubernetes_version,
        ),
        *forwarding_checks((endpoint, *cluster.networking.pod_subnet.split(","))),
        http_proxy(endpoint),
        runtime.sandbox_image(pause_image(cluster)),
        *(_control_plane_checks(run) if run.is_control_plane else ()),
    )


def _control_plane_checks(run: JoinRun) -> tuple[Check, ...]:
    cluster, endpoint = run.configuration.cluster, run.configuration.this_node.local_api_endpoint
    checks = control_plane_checks(cluster, endpoint.advertise_address, endpoint.bind_port)
    if cluster.etcd.external is None:
        return (*checks, *local_etcd_checks(cluster.etcd.local or LocalEtcd()))
    return (*checks, *(() if run.shared_files else external_etcd_files(cluster.etcd.external)))
