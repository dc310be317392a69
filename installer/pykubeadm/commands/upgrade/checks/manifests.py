"""What would be lost: changes that somebody made to static pods and add-ons by hand."""

from __future__ import annotations

from pykubeadm.commands.upgrade.addons import conflicts
from pykubeadm.commands.upgrade.pods_before import edited, looking
from pykubeadm.commands.upgrade.run import UpgradeRun
from pykubeadm.commands.upgrade.state import ClusterState
from pykubeadm.config.versions import Version
from pykubeadm.errors import PhaseError
from pykubeadm.phases.preflight.check import Check, Findings, warning
from pykubeadm.phases.static_pods.manifests import manifest_path
from pykubeadm.util.differences import changed_lines

_SHOWN = 20  # lines


def manifest_checks(run: UpgradeRun, target: Version) -> tuple[Check, ...]:
    return (Check("EditedManifests", lambda _machine: edited_manifests(run, str(target))),)


def addon_checks(run: UpgradeRun, state: ClusterState, target: Version) -> tuple[Check, ...]:
    """Beyond kubeadm, which overwrites what users changed."""
    return (Check("AddonChanges", lambda _machine: addon_changes(run, state, target)),)


def edited_manifests(run: UpgradeRun, version: str) -> Findings:
    """A warning: manifests belong to the upgrade, but nobody shall lose a change without a word."""
    try:
        found = tuple(
            f"{manifest_path(each.name)} is not what the cluster's configuration gives, which an upgrade makes it: what you have"
            " changed by hand belongs into the cluster's configuration (extraArgs, extraVolumes, extraEnvs) or into a patch:\n"
            f"{changed_lines(each.kept, each.wanted, _SHOWN)}"
            for each in edited(run, version)
        )
    except PhaseError as damaged:
        return warning(f"whether manifests were edited is not known: {damaged}")
    return Findings(warnings=found)


def addon_changes(run: UpgradeRun, state: ClusterState, target: Version) -> Findings:
    return Findings(
        errors=tuple(
            f"your change and the upgrade's cannot be merged, set this to either value: {conflict}"
            for conflict in conflicts(looking(run, str(target)), state)
        )
    )
