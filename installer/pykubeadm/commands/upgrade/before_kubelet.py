"""Preflight of the phase kubelet: what would stop it is found before anything changes, not once the control plane is upgraded."""

from __future__ import annotations

from pykubeadm.commands.upgrade.kubelet import NAME, up_to_date
from pykubeadm.commands.upgrade.run import UpgradeRun
from pykubeadm.manifests.kubelet import kubelet_name
from pykubeadm.phases.cluster.connection import cluster_api
from pykubeadm.phases.cluster.drain import why_not_drained
from pykubeadm.phases.preflight.check import FINE, Check, Findings, error


def drain_checks(run: UpgradeRun) -> tuple[Check, ...]:
    """() where the node is not drained."""
    skipped = getattr(run.upgrade, run.part).skip_phases
    if not run.replaces_kubelet or {NAME, f"{NAME}/drain"} & set(skipped):
        return ()
    return (Check("NodeDrain", lambda _machine: _drainable(run)),)


def _drainable(run: UpgradeRun) -> Findings:
    if up_to_date(run) is not None:
        return FINE
    name = kubelet_name(run.configuration.this_node.node_registration)
    refusal = why_not_drained(cluster_api(run), name, delete_emptydir_data=run.delete_emptydir_data)
    return error(refusal) if refusal else FINE
