"""An addon's documents as text, for `init phase addon … --print-manifest`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pykubeadm.util.component_config import HASH_ANNOTATION
from pykubeadm.util.yaml_output import to_yaml_documents

_SEPARATOR = "---\n"


def print_manifest(documents: Sequence[Mapping[str, Any]], *, patched: bool = False) -> str:
    """YAML of the documents, each introduced by `---`, a Deployment first.

    As the user may edit what is printed, it is not marked as generated, so that an upgrade keeps it. With `patched`, the
    separator runs into the Deployment's first line: so kubeadm 1.36 prints one that went through a directory of patches
    (phases/addons/dns/dns.go), and what is printed here equals what it prints.
    """
    ordered = sorted(documents, key=lambda document: document["kind"] != "Deployment")
    text = to_yaml_documents(_unmarked(document) for document in ordered)
    return f"---{text.removeprefix(_SEPARATOR)}" if patched else text


def _unmarked(document: Mapping[str, Any]) -> dict[str, Any]:
    metadata = {key: value for key, value in document["metadata"].items() if key != "annotations"}
    annotations = {key: value for key, value in document["metadata"].get("annotations", {}).items() if key != HASH_ANNOTATION}
    return dict(document) | {"metadata": metadata | ({"annotations": annotations} if annotations else {})}
