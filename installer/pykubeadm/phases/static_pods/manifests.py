"""Writes the manifests of static pods; the kubelet starts what lies in the manifests directory."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pykubeadm.config.section import DocumentError
from pykubeadm.constants import MANIFESTS_DIR
from pykubeadm.errors import PhaseError
from pykubeadm.node.port import Directory, File, Looked, Node
from pykubeadm.phases.documents import read_document
from pykubeadm.phases.run import ClusterRun
from pykubeadm.phases.static_pods.pods import finished
from pykubeadm.util.kube_object import KubeObject
from pykubeadm.util.yaml_output import to_yaml
from pykubeadm.workflow.phase import Changes


def write_static_pod(run: ClusterRun, name: str, pod: Mapping[str, Any]) -> Changes:
    """Write the pod with the user's patches. A manifest that says the same in other words (kubeadm's own) is left alone."""
    path = manifest_path(name)
    wanted, changes = finished(run, name, pod)
    former = _present(run, name)
    content = (run.node.read(path) if former == wanted else None) or to_yaml(wanted).encode()
    is_lost = run.journal.owns(path) and run.node.stat(path) is None  # then the kubelet is ending its pod
    if is_lost or former not in (None, wanted):
        run.replaced[name] = run.now()
    return [*changes, *run.node.write([*missing_directory(run.node, MANIFESTS_DIR), File(path, content, 0o600)])]


def missing_directory(node: Looked, path: str, mode: int = 0o700) -> list[Directory]:
    """The directory, where it is not there yet; one that is there keeps its mode. Writing it over a file is an error."""
    stat = node.stat(path)
    return [] if stat and stat.kind in ("directory", "link") else [Directory(path, mode)]


def read_static_pod(node: Node, name: str) -> KubeObject | None:
    """The Pod in the manifest, None where there is none. PhaseError where it is damaged, or is not the shape of a Pod with
    containers that have commands."""
    path = manifest_path(name)
    document = read_document(node, path)
    if document is None:
        return None
    try:
        annotations = document.section("metadata").section("annotations")
        for annotation in annotations.data:
            annotations.text(annotation)
        containers = document.section("spec").sections("containers")
        for container in containers:
            container.texts("command")
            container.texts("args")
    except DocumentError as error:
        raise PhaseError(f"{path} {error}") from error
    if not containers:
        raise PhaseError(f"{path} is not a Pod with containers")
    return document.data


def manifest_path(name: str) -> str:
    return f"{MANIFESTS_DIR}/{name}.yaml"


def _present(run: ClusterRun, name: str) -> KubeObject | None:
    """What is there; nothing where that is damaged, as it is written again then."""
    try:
        return read_static_pod(run.node, name)
    except PhaseError as error:
        run.note("warning", f"{error}; it is written again", topic="static-pods")
        return None
