"""The mark on ConfigMaps with component configurations that nobody wrote by hand (kubeadm: componentconfigs/checksums.go).

kubeadm makes such a configuration again in an upgrade, and leaves alone one whose mark is missing or does not fit.
"""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256
from typing import Final

HASH_ANNOTATION: Final = "kubeadm.kubernetes.io/component-config.hash"


def is_generated(annotations: Mapping[str, str], data: Mapping[str, str]) -> bool:
    """Whether a ConfigMap with these annotations has the data that the tool gave it."""
    return annotations.get(HASH_ANNOTATION) == hash_annotation(data)[HASH_ANNOTATION]


def hash_annotation(data: Mapping[str, str]) -> dict[str, str]:
    """The annotation for a ConfigMap with this data: a SHA-256 over the values in the order of their keys."""
    digest = sha256("".join(data[key] for key in sorted(data)).encode())
    return {HASH_ANNOTATION: f"sha256:{digest.hexdigest()}"}
