"""Writes the manifests of static pods; the kubelet starts what lies in the manifests directory."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pykubeadm.constants import MANIFESTS_DIR
from pykubeadm.node.port import Directory, File, Node
from pykubeadm.phases.patching import patched
from pykubeadm.phases.run import ClusterRun
from pykubeadm.util.yaml_output import to_yaml
from pykubeadm.workflow.phase import Changes


def write_static_pod(run: ClusterRun, name: str, pod: Mapping[str, Any]) -> Changes:
    """Write the pod with the user's patches. A manifest that says the same in other words (kubeadm's own) is left alone."""
    path = f"{MANIFESTS_DIR}/{name}.yaml"
    changes: Changes = ()
    if run.configuration.cluster.feature_gates.get("RootlessControlPlane"):
        from pykubeadm.phases.static_pods.rootless import rootless_pod

        pod, changes = rootless_pod(run, name, pod)
    wanted = patched(run.patches, name, pod)
    present = run.node.read(path)
    former = _document(present) if present is not None else None
    content = present if present is not None and former == wanted else to_yaml(wanted).encode()
    if former is not None and former != wanted:
        run.replaced[name] = run.now()
    return [*changes, *run.node.write([*missing_directory(run.node, MANIFESTS_DIR), File(path, content, 0o600)])]


def missing_directory(node: Node, path: str, mode: int = 0o700) -> list[Directory]:
    """The directory, where it is not there yet; one that is there keeps its mode. Writing it over a file is an error."""
    stat = node.stat(path)
    return [] if stat and stat.kind in ("directory", "link") else [Directory(path, mode)]


def _document(content: bytes) -> object:
    import yaml

    try:
        return yaml.load(content, Loader=yaml.CSafeLoader)
    except yaml.YAMLError:
        return None
