"""Flags that several phases of `join` take."""

from __future__ import annotations

from typing import Final

# How the cluster is found and who the node is until the kubelet has its certificate.
DISCOVERY: Final = (
    "discovery-file",
    "discovery-token",
    "discovery-token-ca-cert-hash",
    "discovery-token-unsafe-skip-ca-verification",
    "tls-bootstrap-token",
    "token",
)
