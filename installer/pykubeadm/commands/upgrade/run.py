"""What the phases of `upgrade apply` and `upgrade node` share, and what `plan` and `diff` look at."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING

from pykubeadm.phases.cluster.drain_timeout import DRAIN_TIMEOUT
from pykubeadm.phases.replacing.run import ReplacingRun
from pykubeadm.util.dataclass import dataclass

if TYPE_CHECKING:
    from pykubeadm.config.model import UpgradeConfiguration
    from pykubeadm.config.upgrade_flags import Part


@dataclass(slots=True, kw_only=True)
class UpgradeRun(ReplacingRun):
    """One `upgrade` command (its `part`) on one node. The configuration has the version that the cluster is to have, in `plan`
    without a version the one that it has. Of `upgrade` the section `part` counts."""

    part: Part
    upgrade: UpgradeConfiguration
    confirm: Callable[[], bool] = lambda: False  # asks the user
    interactive: bool = False  # whether the user is asked: not with --yes, --force or in a dry run
    delete_emptydir_data: bool = False  # of pods that a drain evicts
    drain_timeout: timedelta = DRAIN_TIMEOUT
