"""The user's patches: read once, before anything is changed, and applied to what phases generate."""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from pykubeadm.errors import PhaseError
from pykubeadm.node.port import Node

if TYPE_CHECKING:
    from pykubeadm.patches.files import Patch

# What of an add-on can be patched, by its kind.
_OF_ADDONS: Final = {"Deployment": "corednsdeployment", "DaemonSet": "kubeproxydaemonset"}


def patched_addon(patches: Sequence[Patch], document: Mapping[str, Any]) -> dict[str, Any]:
    """The document of CoreDNS or kube-proxy with the patches that are for it. Raises ConfigError."""
    target = _OF_ADDONS.get(document["kind"])
    return patched(patches, target, document) if target else dict(document)


def patched(patches: Sequence[Patch], target: str, document: Mapping[str, Any]) -> dict[str, Any]:
    """The document with those of `patches` that are for `target` (patches.files.TARGETS) applied. Raises ConfigError."""
    if not patches:
        return dict(document)
    from pykubeadm.patches.apply import apply_patches

    return apply_patches(target, document, patches)


def load_patches(node: Node, directory: str, warn: Callable[[str], None]) -> tuple[Patch, ...]:
    """What `directory` holds, () where that is ""; `warn` takes a sentence for each file that is not used. Raises ConfigError,
    PhaseError."""
    if not directory:
        return ()
    from pykubeadm.config.source import Source
    from pykubeadm.patches.files import read_patches

    patches, ignored = read_patches([Source(path, content) for path, content in _files(node, directory)])
    for file in ignored:
        warn(f"{file.path} is not used as a patch: {file.reason}")
    return patches


def _files(node: Node, directory: str) -> Iterator[tuple[str, bytes]]:
    """Path and content of every file below the directory in the order of their names, sub-directories in their place. What
    the name rules out is not read: a link to a directory, such as ..data of a mounted ConfigMap, could not be."""
    from pykubeadm.patches.files import may_be_patch

    stat = node.stat(directory)
    if stat is None or stat.kind != "directory":
        raise PhaseError(f"patches.directory: {directory} is not a directory on {node.name}")
    for name in node.list_dir(directory):
        path = posixpath.join(directory, name)
        entry = node.stat(path)
        if entry and entry.kind == "directory":
            yield from _files(node, path)
        else:
            yield path, (node.read(path) if may_be_patch(name) else None) or b""
