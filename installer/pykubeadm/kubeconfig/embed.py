"""Kubeconfigs that stand on their own: files they refer to are put into them (client-go: clientcmd.FlattenConfig)."""

from __future__ import annotations

import base64
import copy
import posixpath
from collections.abc import Callable, Mapping
from typing import Any

Document = dict[str, Any]

# The field with the path, the field with the content.
_FILES = {
    "cluster": {"certificate-authority": "certificate-authority-data"},
    "user": {"client-certificate": "client-certificate-data", "client-key": "client-key-data"},
}
_TOKEN_FILE = "tokenFile"  # noqa: S105 - the field's name
# What a user entry may hold to be let in with.
_CREDENTIALS = ("token", _TOKEN_FILE, "client-certificate", "client-certificate-data", "username", "exec", "auth-provider")


def embedded(document: Mapping[str, Any], path: str, read: Callable[[str], bytes | None]) -> Document:
    """The kubeconfig at `path` with what its current context refers to. `read` gives a file's content, None where there is
    none, of which ValueError tells with the end of a sentence."""

    def content(name: str) -> bytes:
        file = posixpath.join(posixpath.dirname(path), name)
        found = read(file)
        if found is None:
            raise ValueError(f"refers to {file}, which does not exist")
        return found

    changed = copy.deepcopy(dict(document))
    for group, item in (("clusters", "cluster"), ("users", "user")):
        for entry in changed.get(group) or ():
            section = entry.get(item) or {}
            for reference, data in _FILES[item].items():
                if section.get(reference) and not section.get(data):
                    section[data] = base64.b64encode(content(section[reference])).decode("ascii")
                section.pop(reference, None)
            if section.get(_TOKEN_FILE):
                section["token"] = content(section.pop(_TOKEN_FILE)).decode().strip()
    return changed


def current(document: Mapping[str, Any]) -> tuple[Document, Document]:
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


def for_cluster(cluster_name: str, cluster: Mapping[str, Any], user_name: str, user: Mapping[str, Any]) -> Document:
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
