"""Whether the cluster is healthy enough to be changed (kubeadm: phases/upgrade/health.go); names of checks are kubeadm's."""

from __future__ import annotations

from pykubeadm.constants import CA_ROTATION_DIR
from pykubeadm.errors import PhaseError
from pykubeadm.kube.pod_state import is_ready
from pykubeadm.node.port import Node
from pykubeadm.phases.cluster.state import ClusterState, name
from pykubeadm.phases.preflight.check import FINE, Check, Findings, error
from pykubeadm.phases.static_pods.manifests import manifest_path, read_static_pod

_MANIFESTS = ("kube-apiserver", "kube-controller-manager", "kube-scheduler")


def health_checks(state: ClusterState, node: Node, *, local_etcd: bool) -> tuple[Check, ...]:
    """Of all control planes, and of the manifests of the one that runs on `node`."""
    components = (*_MANIFESTS, "etcd") if local_etcd else _MANIFESTS
    return (
        Check("ControlPlaneNodesReady", lambda _machine: control_planes_ready(state)),
        Check("StaticPodManifest", lambda _machine: manifests_are_there(node, components)),
        Check("CARotation", lambda _machine: no_rotation(node)),
    )


def no_rotation(node: Node) -> Findings:
    """A stage of a rotation leaves files, flags and restarts for the next one, which nothing else may change."""
    if node.stat(CA_ROTATION_DIR) is None:
        return FINE
    return error("the CAs are being rotated: `pykubeadm certs rotate-ca` says how far that is and what is next")


def control_planes_ready(state: ClusterState) -> Findings:
    unready = [name(node) for node in state.control_planes() if not is_ready(node)]
    if not unready:
        return FINE
    return error(
        f"control planes are not Ready: {', '.join(unready)}; see why with `kubectl describe node {unready[0]}`, or take one that"
        " is gone for good out of the cluster"
    )


def manifests_are_there(node: Node, components: tuple[str, ...]) -> Findings:
    errors = []
    for component in components:
        try:
            if read_static_pod(node, component) is None:
                errors.append(
                    f"{manifest_path(component)} does not exist: put it back, or make it with `pykubeadm init phase"
                    f" {'etcd local' if component == 'etcd' else 'control-plane'}`"
                )
        except PhaseError as damaged:
            errors.append(f"{damaged}: put it back as it was")
    return Findings(errors=tuple(errors))
