"""Kubeconfigs that stand on their own: files they refer to are put into them (client-go: clientcmd.FlattenConfig)."""

from __future__ import annotations

import base64
import posixpath
from collections.abc import Callable, Mapping
from typing import Any

from pykubeadm.util.kube_object import KubeObject

# The field with the path, the field with the content.
_CLUSTER_FILES = {"certificate-authority": "certificate-authority-data"}
_USER_FILES = {"client-certificate": "client-certificate-data", "client-key": "client-key-data"}
_TOKEN_FILE = "tokenFile"  # noqa: S105 - the field's name
# What a user entry may hold to be let in with.
_CREDENTIALS = ("token", _TOKEN_FILE, "client-certificate", "client-certificate-data", "username", "exec", "auth-provider")


def embedded(
    cluster: Mapping[str, Any], user: Mapping[str, Any], path: str, read: Callable[[str], bytes | None]
) -> tuple[KubeObject, KubeObject]:
    """A cluster and a user of the kubeconfig at `path` with what they refer to. `read` gives a file's content, None where there
    is none, for which ValueError has the end of a sentence."""

    def content(name: str) -> bytes:
        file = posixpath.join(posixpath.dirname(path), name)
        found = read(file)
        if found is None:
            raise ValueError(f"refers to {file}, which does not exist")
        return found

    def filled(section: Mapping[str, Any], files: Mapping[str, str]) -> KubeObject:
        found = {field: value for field, value in section.items() if field not in files and field != _TOKEN_FILE}
        for reference, data in files.items():
            if section.get(reference) and not section.get(data):
                found[data] = base64.b64encode(content(section[reference])).decode("ascii")
        if section.get(_TOKEN_FILE):
            found["token"] = content(section[_TOKEN_FILE]).decode().strip()
        return found

    return filled(cluster, _CLUSTER_FILES), filled(user, _USER_FILES)


def current(document: Mapping[str, Any]) -> tuple[KubeObject, KubeObject]:
    """The cluster and the user of the current context; of the only cluster where there is no context. ValueError with the
    end of a sentence."""
    contexts = {entry["name"]: entry.get("context") or {} for entry in document.get("contexts") or ()}
    clusters = {entry["name"]: entry.get("cluster") or {} for entry in document.get("clusters") or ()}
    users = {entry["name"]: entry.get("user") or {} for entry in document.get("users") or ()}
    context = contexts.get(document.get("current-context"))
    if context is None:
        if document.get("current-context") or len(clusters) != 1:
            raise ValueError("has no current context, or one that is not in it")
        return next(iter(clusters.values())), {}
    if context.get("cluster") not in clusters:
        raise ValueError(f'has no cluster "{context.get("cluster")}", which its current context names')
    return clusters[context["cluster"]], users.get(context.get("user"), {})


def has_credentials(user: Mapping[str, Any]) -> bool:
    """Whether the API server would know who comes."""
    return any(user.get(field) for field in _CREDENTIALS)


def for_cluster(cluster_name: str, cluster: Mapping[str, Any], user_name: str, user: Mapping[str, Any]) -> KubeObject:
    """A kubeconfig with this one cluster and user."""
    context = f"{user_name}@{cluster_name}"
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": cluster_name, "cluster": dict(cluster)}],
        "contexts": [{"name": context, "context": {"cluster": cluster_name, "user": user_name}}],
        "current-context": context,
        "users": [{"name": user_name, "user": dict(user)}],
    }
