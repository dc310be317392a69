"""The phases of `reset`, in order. This tuple gives the run, `reset phase …`, --skip-phases and the help text."""

from __future__ import annotations

from pykubeadm.commands.reset.cleanup_node import cleanup_node
from pykubeadm.commands.reset.preflight import preflight
from pykubeadm.commands.reset.remove_etcd_member import remove_etcd_member
from pykubeadm.commands.reset.run import ResetRun
from pykubeadm.workflow.phase import Phase

PHASES: tuple[Phase[ResetRun], ...] = (preflight, remove_etcd_member, cleanup_node)
