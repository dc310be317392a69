"""The ConfigMaps that nodes to come and later upgrades read, with the roles to read them
(kubeadm: phases/uploadconfig/uploadconfig.go, phases/kubelet/config.go)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pykubeadm.util.component_config import hash_annotation
from pykubeadm.util.kube_object import KubeObject
from pykubeadm.util.yaml_output import to_yaml

_NAMESPACE = "kube-system"
_RBAC = "rbac.authorization.k8s.io"
_BOOTSTRAPPERS = "system:bootstrappers:kubeadm:default-node-token"
_NODES = "system:nodes"


def kubeadm_config_objects(cluster: Mapping[str, Any]) -> list[KubeObject]:
    """kubeadm-config with the ClusterConfiguration, a document, and who may read it; in the order to apply them."""
    return [
        _config_map("kubeadm-config", {"ClusterConfiguration": to_yaml(cluster)}),
        *_readers("kubeadm:nodes-kubeadm-config", "kubeadm-config", (_BOOTSTRAPPERS, _NODES)),
    ]


def kubelet_config_objects(configuration: Mapping[str, Any], *, user_supplied: bool) -> list[KubeObject]:
    """kubelet-config with the cluster's KubeletConfiguration, and who may read it; in the order to apply them."""
    config_map = _config_map("kubelet-config", {"kubelet": to_yaml(configuration)})
    if not user_supplied:
        config_map["metadata"]["annotations"] = hash_annotation(config_map["data"])
    return [config_map, *_readers("kubeadm:kubelet-config", "kubelet-config", (_NODES, _BOOTSTRAPPERS))]


def _config_map(name: str, data: Mapping[str, str]) -> KubeObject:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": _NAMESPACE}, "data": dict(data)}


def _readers(role: str, config_map: str, groups: tuple[str, ...]) -> list[KubeObject]:
    metadata = {"name": role, "namespace": _NAMESPACE}
    return [
        {
            "apiVersion": f"{_RBAC}/v1",
            "kind": "Role",
            "metadata": metadata,
            "rules": [{"apiGroups": [""], "resources": ["configmaps"], "resourceNames": [config_map], "verbs": ["get"]}],
        },
        {
            "apiVersion": f"{_RBAC}/v1",
            "kind": "RoleBinding",
            "metadata": metadata,
            "roleRef": {"apiGroup": _RBAC, "kind": "Role", "name": role},
            "subjects": [{"kind": "Group", "name": group} for group in groups],
        },
    ]
