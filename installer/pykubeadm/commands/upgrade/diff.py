"""`upgrade diff`: what an upgrade would change."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pykubeadm.commands.upgrade.begin import begin
from pykubeadm.workflow.events import Subscriber


def diff(options: Mapping[str, Any], emit: Subscriber, *, rootfs: str = "/") -> None:
    """By kubeadm's flags, with underscores, and `kubernetes_version`."""
    begin("diff", options, emit, rootfs=rootfs)
