"""Kubeconfig documents (v1 Config, client-go: tools/clientcmd/api/v1): built with embedded data, and read."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pykubeadm.util.yaml_output import to_yaml


@dataclass(frozen=True, slots=True)
class Credentials:
    """A client certificate with its key, or a token; PEM bytes."""

    certificate: bytes = b""
    key: bytes = b""
    token: str = ""


@dataclass(frozen=True, slots=True)
class Kubeconfig:
    """What the current context of a kubeconfig says. PEM bytes are empty where the file names a path instead, which then
    stands in the field that ends with `_path`."""

    server: str
    cluster: str
    user: str
    ca: bytes = b""
    ca_path: str = ""
    certificate: bytes = b""
    certificate_path: str = ""


def build_kubeconfig(*, server: str, cluster: str, user: str, ca: bytes, credentials: Credentials) -> bytes:
    """A kubeconfig with one cluster, one user and the context `user@cluster`."""
    if credentials.token:
        auth = {"token": credentials.token}
    else:
        auth = {"client-certificate-data": _base64(credentials.certificate), "client-key-data": _base64(credentials.key)}
    context = f"{user}@{cluster}"
    return to_yaml(
        {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": cluster, "cluster": {"certificate-authority-data": _base64(ca), "server": server}}],
            "contexts": [{"name": context, "context": {"cluster": cluster, "user": user}}],
            "current-context": context,
            "users": [{"name": user, "user": auth}],
        }
    ).encode()


def cluster_only_kubeconfig(server: str, ca: bytes) -> str:
    """The kubeconfig of the ConfigMap cluster-info: one nameless cluster, nobody's credentials."""
    return to_yaml(
        {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "", "cluster": {"certificate-authority-data": _base64(ca), "server": server}}],
            "contexts": None,
            "current-context": "",
            "users": None,
        }
    )


def read_kubeconfig(content: bytes) -> Kubeconfig:
    """The current context of a kubeconfig; raises ValueError with the end of a sentence."""
    import yaml

    try:
        document = yaml.load(content, Loader=yaml.CSafeLoader)
    except yaml.YAMLError as error:
        raise ValueError("is not YAML") from error
    wanted = ("Config", "v1")
    if not isinstance(document, Mapping) or (document.get("kind") or "Config", document.get("apiVersion") or "v1") != wanted:
        raise ValueError("is not a kubeconfig")
    context_name = document.get("current-context")
    context = _named(document, "contexts", context_name, "context")
    if context is None:
        raise ValueError(f"has no context {context_name!r}, which its current-context names")
    cluster = _named(document, "clusters", context.get("cluster"), "cluster")
    if cluster is None:
        raise ValueError(f"has no cluster {context.get('cluster')!r}, which its current context names")
    user = _named(document, "users", context.get("user"), "user") or {}
    return Kubeconfig(
        server=str(cluster.get("server", "")),
        cluster=str(context.get("cluster")),
        user=str(context.get("user")),
        ca=_data(cluster, "certificate-authority-data"),
        ca_path=str(cluster.get("certificate-authority") or ""),
        certificate=_data(user, "client-certificate-data"),
        certificate_path=str(user.get("client-certificate") or ""),
    )


def _named(document: Mapping[str, Any], field: str, name: object, content: str) -> Mapping[str, Any] | None:
    entries = document.get(field)
    for entry in entries if isinstance(entries, list) else ():
        if isinstance(entry, Mapping) and entry.get("name") == name and isinstance(entry.get(content), Mapping):
            found: Mapping[str, Any] = entry[content]
            return found
    return None


def _data(mapping: Mapping[str, Any], field: str) -> bytes:
    try:
        return base64.b64decode(str(mapping.get(field) or ""), validate=True)
    except (binascii.Error, ValueError) as error:
        raise ValueError(f"has {field} that is not base64") from error


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")
