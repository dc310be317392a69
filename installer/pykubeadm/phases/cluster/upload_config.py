"""upload-config: the ClusterConfiguration and the KubeletConfiguration, for the nodes that join and for upgrades."""

from __future__ import annotations

from pykubeadm.phases.run import ClusterRun
from pykubeadm.workflow.phase import Changes, Phase

_FLAGS = ("config", "cri-socket", "kubeconfig", "dry-run")


def _kubeadm(run: ClusterRun) -> Changes:
    from pykubeadm.kube.apply import ensure_all
    from pykubeadm.manifests.cluster_objects import kubeadm_config_objects
    from pykubeadm.phases.cluster.connection import cluster_api

    return ensure_all(cluster_api(run), kubeadm_config_objects(run.configuration.cluster.document()))


def _kubelet(run: ClusterRun) -> Changes:
    from pykubeadm.kube.apply import ensure_all
    from pykubeadm.manifests.cluster_objects import kubelet_config_objects
    from pykubeadm.manifests.kubelet import kubelet_configuration
    from pykubeadm.phases.cluster.connection import cluster_api

    def ignore(level: str, message: str) -> None:
        """Kubelet-start has reported it."""

    configuration = run.configuration
    document = kubelet_configuration(configuration.cluster, configuration.kubelet, ignore)
    return ensure_all(cluster_api(run), kubelet_config_objects(document, user_supplied=bool(configuration.kubelet)))


upload_config: Phase[ClusterRun] = Phase(
    name="upload-config",
    summary="Upload the configuration of cluster and kubelets",
    flags=_FLAGS,
    phases=(
        Phase(name="kubeadm", summary="Upload the ClusterConfiguration to kubeadm-config", apply=_kubeadm, flags=_FLAGS),
        Phase(name="kubelet", summary="Upload the KubeletConfiguration to kubelet-config", apply=_kubelet, flags=_FLAGS),
    ),
)
