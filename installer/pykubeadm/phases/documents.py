"""YAML files on a node that somebody else may have written or damaged: manifests, a kubelet's configuration."""

from __future__ import annotations

from pykubeadm.config.section import DocumentError, Section, load_section
from pykubeadm.errors import PhaseError
from pykubeadm.node.port import Looked


def read_document(node: Looked, path: str) -> Section | None:
    """The mapping in the file, None where there is no file. PhaseError where it is damaged (empty, cut, not YAML, a list)."""
    content = node.read(path)
    try:
        return None if content is None else load_section(content)
    except DocumentError as error:
        raise PhaseError(f"{path} {error}") from error
