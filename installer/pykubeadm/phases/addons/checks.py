"""What would be lost: changes that somebody made to add-ons by hand."""

from __future__ import annotations

from dataclasses import replace

from pykubeadm.phases.addons.rendered import conflicts
from pykubeadm.phases.cluster.state import ClusterState
from pykubeadm.phases.preflight.check import Check, Findings
from pykubeadm.phases.replacing.pods_before import looking
from pykubeadm.phases.replacing.run import ReplacingRun


def addon_checks(run: ReplacingRun, state: ClusterState, version: str) -> tuple[Check, ...]:
    """For a cluster of `version`. Beyond kubeadm, which overwrites what users changed."""
    return (Check("AddonChanges", lambda _machine: addon_changes(run, state, version)),)


def addon_changes(run: ReplacingRun, state: ClusterState, version: str) -> Findings:
    cluster = replace(run.configuration.cluster, kubernetes_version=version)
    return Findings(
        errors=tuple(
            f"your change and this run's cannot be merged, set this to either value: {conflict}"
            for conflict in conflicts(looking(run, cluster), state)
        )
    )
