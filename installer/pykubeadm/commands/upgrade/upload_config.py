"""upload-config: the cluster's configuration with its new version, for the nodes that are upgraded next and for those that join.

Of what is stored only that changes which has to: what users added to it, fields that are not known here too, stays.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pykubeadm.commands.upgrade.run import UpgradeRun
from pykubeadm.phases.replacing.run import reader_of
from pykubeadm.workflow.phase import Changes, Phase

_FLAGS = ("config", "kubeconfig", "dry-run")
_OLD_SOCKET = "kubeadm.alpha.kubernetes.io/cri-socket"  # on Nodes; the kubelet's own file says it now


def _kubeadm(run: UpgradeRun) -> Changes:
    from pykubeadm.config.features import without_removed_gates
    from pykubeadm.config.model import API_VERSION
    from pykubeadm.kube.apply import ensure_all
    from pykubeadm.manifests.cluster_objects import kubeadm_config_objects
    from pykubeadm.phases.cluster.connection import cluster_api
    from pykubeadm.phases.cluster.stored import stored_cluster_document

    api = cluster_api(run)
    stored = stored_cluster_document(api, reader_of(run.kubeconfig_path))
    cluster = without_removed_gates(run.configuration.cluster)
    ours = cluster.document()
    document = stored | {"kubernetesVersion": run.target} if stored.get("apiVersion") == API_VERSION else ours
    if cluster != run.configuration.cluster:  # what PublicKeysECDSA said is encryptionAlgorithm there
        document |= {"featureGates": ours.get("featureGates"), "encryptionAlgorithm": cluster.encryption_algorithm}
        document = {name: value for name, value in document.items() if value is not None}
    return ensure_all(api, kubeadm_config_objects(document))


def _kubelet(run: UpgradeRun) -> Changes:
    from pykubeadm.kube.apply import ensure_all
    from pykubeadm.manifests.cluster_objects import kubelet_config_objects
    from pykubeadm.manifests.kubelet import kubelet_configuration
    from pykubeadm.phases.cluster.connection import cluster_api
    from pykubeadm.phases.cluster.stored import stored_kubelet

    api = cluster_api(run)
    stored = stored_kubelet(api, reader_of(run.kubeconfig_path))
    wanted = kubelet_configuration(run.configuration.cluster, stored, lambda _level, _message: None)
    is_ours = _is_generated(api.get("v1", "ConfigMap", "kubelet-config", "kube-system") or {})
    objects = kubelet_config_objects(wanted, user_supplied=not is_ours)
    return [*ensure_all(api, objects[1:] if wanted == stored else objects), *_without_socket(run)]


def _is_generated(config_map: Mapping[str, Any]) -> bool:
    from pykubeadm.util.component_config import is_generated

    return is_generated((config_map.get("metadata") or {}).get("annotations") or {}, config_map.get("data") or {})


def _without_socket(run: UpgradeRun) -> Changes:
    """Kubeadm before 1.32 kept the container runtime's socket on the Node, where later ones would still look for it."""
    from pykubeadm.kube.apply import retrying
    from pykubeadm.phases.cluster.connection import cluster_api

    api = cluster_api(run)
    node = retrying(lambda: api.get("v1", "Node", run.node_name), api.call_timeout) or {}
    if _OLD_SOCKET not in ((node.get("metadata") or {}).get("annotations") or {}):
        return ()
    body = {"metadata": {"annotations": {_OLD_SOCKET: None}}}
    retrying(lambda: api.patch("v1", "Node", run.node_name, body, how="merge"), api.call_timeout)
    return [f"removed the annotation {_OLD_SOCKET} of Node {run.node_name}"]


upload_config: Phase[UpgradeRun] = Phase(
    name="upload-config",
    summary="Upload the configuration of cluster and kubelets with the new version",
    flags=_FLAGS,
    phases=(
        Phase(name="kubeadm", summary="Upload the ClusterConfiguration to kubeadm-config", apply=_kubeadm, flags=_FLAGS),
        Phase(name="kubelet", summary="Upload the KubeletConfiguration to kubelet-config", apply=_kubelet, flags=_FLAGS),
    ),
)
