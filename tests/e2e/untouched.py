"""Everything on a control plane and in its cluster that a command may not have touched if it says that it changes nothing."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from lab.cluster import kubectl_json
from lab.node import Node

_PLACES = (
    "/etc /opt/cni /usr/bin /usr/local/bin /var/lib/pykubeadm /var/lib/kubelet/pki "
    "/var/lib/kubelet/config.yaml /var/lib/kubelet/instance-config.yaml /var/lib/kubelet/kubeadm-flags.env"
)
# A file that is written is another inode, or has another time. Directories by their mode alone: temporary files come and go.
_KNOWN_BY = r"\( -type d -printf '%p\t%y %m %U:%G\n' \) -o -printf '%p\t%y %m %U:%G %i %s %T@ %l\n'"
_KINDS = (
    "configmaps,secrets,serviceaccounts,services,roles,rolebindings,clusterroles,clusterrolebindings,"
    "deployments,daemonsets,jobs,nodes"
)
_WITH_STATUS = ("Deployment", "DaemonSet", "Job", "Node")  # which controllers and kubelets write all the time


def snapshot(node: Node) -> dict[str, str]:
    """Path, or kind and name → what it is known by. The lock of pykubeadm is left out."""
    listed = node.shell(f"find {_PLACES} -path /var/lib/pykubeadm/lock -prune -o {_KNOWN_BY}", check=False)  # one may be missing
    found = dict(line.split("\t", 1) for line in listed.splitlines())
    assert "/etc/kubernetes/manifests/etcd.yaml" in found, listed
    for document in kubectl_json(node, "get", _KINDS, "--all-namespaces")["items"]:
        metadata = document["metadata"]
        found[f"{document['kind']} {metadata.get('namespace', '')}/{metadata['name']}"] = json.dumps(_known_by(document))
    return found


def touched(before: Mapping[str, str], after: Mapping[str, str]) -> list[str]:
    """What came, went or was written between two snapshots."""
    return sorted(name for name in {*before, *after} if before.get(name) != after.get(name))


def _known_by(document: Mapping[str, Any]) -> dict[str, Any]:
    """Its resourceVersion, as every write changes it; where statuses are written all the time, all but the status."""
    metadata = dict(document["metadata"])
    if document["kind"] not in _WITH_STATUS:
        return {"resourceVersion": metadata["resourceVersion"]}
    del metadata["resourceVersion"]
    return {**document, "metadata": metadata, "status": None}
