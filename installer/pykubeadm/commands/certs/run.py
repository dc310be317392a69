"""What the phases of `certs renew` share."""

from __future__ import annotations

from dataclasses import field
from typing import Literal

from pykubeadm.phases.certs.leaves import Leaf
from pykubeadm.phases.run import ClusterRun
from pykubeadm.util.dataclass import dataclass


@dataclass(slots=True, kw_only=True)
class CertsRun(ClusterRun):
    """One command on the certificates of this node. `as_before`: the cluster's configuration could not be had, so each
    certificate's own key algorithm and period count."""

    as_before: bool = False
    leaves: tuple[Leaf, ...] = ()  # to renew
    kubelet: Literal["", "expired", "always"] = ""  # whether, and when, the kubelet's are renewed too
    restart: bool = True  # what does not read its files again by itself
    renewed: list[str] = field(default_factory=list)  # names of those that were
    was_down: bool = False  # the API server of this node was not healthy before
