"""All checks of a node, in the order in which they are listed."""

from __future__ import annotations

from typing import Final

from pykubeadm.commands.doctor.check import Check
from pykubeadm.commands.doctor.here import Here
from pykubeadm.commands.doctor.node_checks import (
    benchmark,
    certificates,
    disk,
    kernel,
    kubelet,
    network,
    proxies,
    routes,
    runtime,
)

CHECKS: Final[tuple[Check[Here], ...]] = (
    *kubelet.CHECKS,
    *runtime.CHECKS,
    *certificates.CHECKS,
    *disk.CHECKS,
    *kernel.CHECKS,
    *network.CHECKS,
    *routes.CHECKS,
    *proxies.CHECKS,
    *benchmark.CHECKS,
)
