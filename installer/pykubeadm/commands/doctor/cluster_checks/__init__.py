"""All checks of a cluster, in the order in which they are listed."""

from __future__ import annotations

from typing import Final

from pykubeadm.commands.doctor.check import Check
from pykubeadm.commands.doctor.cluster import ClusterView
from pykubeadm.commands.doctor.cluster_checks import addons, admission, control_plane, etcd, nodes, requests

CHECKS: Final[tuple[Check[ClusterView], ...]] = (
    *control_plane.CHECKS,
    *etcd.CHECKS,
    *nodes.CHECKS,
    *addons.CHECKS,
    *admission.CHECKS,
    *requests.CHECKS,
)
