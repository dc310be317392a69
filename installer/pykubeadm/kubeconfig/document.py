"""Kubeconfig documents (v1 Config, client-go: tools/clientcmd/api/v1), built with embedded data."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

from pykubeadm.util.kube_object import KubeObject
from pykubeadm.util.yaml_output import to_yaml


def for_cluster(cluster_name: str, cluster: Mapping[str, Any], user_name: str, user: Mapping[str, Any]) -> KubeObject:
    """A kubeconfig with one cluster, one user and the context `user@cluster`."""
    context = f"{user_name}@{cluster_name}"
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": cluster_name, "cluster": dict(cluster)}],
        "contexts": [{"name": context, "context": {"cluster": cluster_name, "user": user_name}}],
        "current-context": context,
        "users": [{"name": user_name, "user": dict(user)}],
    }


def build_kubeconfig(*, server: str, cluster: str, user: str, ca: bytes, certificate: bytes, key: bytes) -> bytes:
    """A kubeconfig for who has a client certificate; `ca`, `certificate` and `key` are PEM."""
    entry = {"client-certificate-data": _base64(certificate), "client-key-data": _base64(key)}
    return to_yaml(for_cluster(cluster, _cluster(server, ca), user, entry)).encode()


def cluster_only_kubeconfig(server: str, ca: bytes) -> str:
    """The kubeconfig of the ConfigMap cluster-info: one nameless cluster, nobody's credentials."""
    return to_yaml(
        {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "", "cluster": _cluster(server, ca)}],
            "contexts": None,
            "current-context": "",
            "users": None,
        }
    )


def _cluster(server: str, ca: bytes) -> KubeObject:
    return {"certificate-authority-data": _base64(ca), "server": server}


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")
