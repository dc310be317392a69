"""Kubeconfigs that stand on their own: files they refer to are put into them (client-go: clientcmd.FlattenConfig)."""

from __future__ import annotations

import base64
import posixpath
from collections.abc import Callable, Mapping
from typing import Any

from pykubeadm.config.section import DocumentError
from pykubeadm.kubeconfig.read import Kubeconfig
from pykubeadm.util.kube_object import KubeObject

# The field with the path, the field with the content.
_CLUSTER_FILES = {"certificate-authority": "certificate-authority-data"}
_USER_FILES = {"client-certificate": "client-certificate-data", "client-key": "client-key-data"}
_TOKEN_FILE = "tokenFile"  # noqa: S105 - the field's name


def embedded(kubeconfig: Kubeconfig, path: str, read: Callable[[str], bytes | None]) -> tuple[KubeObject, KubeObject]:
    """Cluster and user of the kubeconfig at `path`, from whose directory the paths in it start, with what they refer to. `read`
    gives a file's content, None where there is none, for which DocumentError has the end of a sentence."""

    def content(name: str) -> bytes:
        file = posixpath.join(posixpath.dirname(path), name)
        found = read(file)
        if found is None:
            raise DocumentError(f"refers to {file}, which does not exist")
        return found

    def filled(section: Mapping[str, Any], files: Mapping[str, str]) -> KubeObject:
        found = {field: value for field, value in section.items() if field not in files and field != _TOKEN_FILE}
        for reference, data in files.items():
            if section.get(reference) and not section.get(data):
                found[data] = base64.b64encode(content(section[reference])).decode("ascii")
        if section.get(_TOKEN_FILE):
            found["token"] = content(section[_TOKEN_FILE]).decode(errors="replace").strip()
        return found

    return filled(kubeconfig.cluster, _CLUSTER_FILES), filled(kubeconfig.user, _USER_FILES)
