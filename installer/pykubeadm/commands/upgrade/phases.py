"""The phases of `upgrade apply` and of `upgrade node`, in order; each tuple gives a run, `phase …`, --skip-phases and help."""

from __future__ import annotations

from pykubeadm.commands.upgrade.preflight import apply_preflight, node_preflight
from pykubeadm.commands.upgrade.run import UpgradeRun
from pykubeadm.workflow.phase import Phase

APPLY: tuple[Phase[UpgradeRun], ...] = (apply_preflight,)
NODE: tuple[Phase[UpgradeRun], ...] = (node_preflight,)
