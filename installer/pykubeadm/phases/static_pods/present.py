"""What static pods' manifests on a node say, as far as they can be read: the cluster may be dead, or the node half reset."""

from __future__ import annotations

import posixpath
from collections.abc import Mapping, Sequence
from typing import Any

from pykubeadm.constants import MANIFESTS_DIR
from pykubeadm.errors import NodeError, PhaseError
from pykubeadm.node.port import Node
from pykubeadm.phases.documents import read_document


def present_pod(node: Node, name: str) -> Mapping[str, Any]:
    """The Pod in a manifest; {} where there is none that can be read."""
    return present_document(node, f"{MANIFESTS_DIR}/{name}.yaml")


def arguments(pod: Mapping[str, Any]) -> dict[str, str]:
    """The flags of the pod's only container."""
    containers = _sequence(_mapping(pod.get("spec")).get("containers"))
    words = [str(word) for container in containers for word in _sequence(_mapping(container).get("command"))]
    pairs = (word.removeprefix("--").partition("=") for word in words if word.startswith("--"))
    return {name: value for name, _, value in pairs}


def host_path(pod: Mapping[str, Any], name: str) -> str:
    """The path on the node of a pod's volume, "" where it has none of that name."""
    for volume in _sequence(_mapping(pod.get("spec")).get("volumes")):
        if _mapping(volume).get("name") == name:
            return absolute(str(_mapping(_mapping(volume).get("hostPath")).get("path", "")))
    return ""


def present_document(node: Node, path: str) -> Mapping[str, Any]:
    """The mapping in a YAML file; {} where there is none that can be read."""
    try:
        found = read_document(node, path)
    except (NodeError, PhaseError):
        return {}
    return {} if found is None else found.data


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _sequence(value: object) -> Sequence[Any]:
    return value if isinstance(value, list) else ()


def absolute(path: str) -> str:
    """`path` without "..", "" where it is not absolute or the root."""
    path = posixpath.normpath(path) if path.startswith("/") and "\0" not in path else ""
    return "" if path.strip("/") == "" else "/" + path.lstrip("/")
