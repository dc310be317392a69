"""What the phases of `reconfigure` share."""

from __future__ import annotations

from pykubeadm.phases.replacing.run import ReplacingRun
from pykubeadm.util.dataclass import dataclass


@dataclass(slots=True, kw_only=True)
class ReconfigureRun(ReplacingRun):
    """One `reconfigure` on one node. With `for_cluster` a file says what the cluster is to be, and nodes after this one find it
    there; else this node gets what the cluster holds."""

    command: str = "reconfigure"
    for_cluster: bool = False
    certificate_renewal: bool = False  # only where a certificate does not name what it has to
    keeps_images: bool = True
