"""What would be lost: changes that somebody made to static pods by hand."""

from __future__ import annotations

from dataclasses import replace

from pykubeadm.errors import PhaseError
from pykubeadm.phases.preflight.check import Check, Findings, warning
from pykubeadm.phases.replacing.pods_before import edited
from pykubeadm.phases.replacing.run import ReplacingRun
from pykubeadm.phases.static_pods.manifests import manifest_path
from pykubeadm.util.differences import changed_lines

_SHOWN = 20  # lines


def manifest_checks(run: ReplacingRun, version: str) -> tuple[Check, ...]:
    """For a cluster of `version`."""
    return (Check("EditedManifests", lambda _machine: edited_manifests(run, version)),)


def edited_manifests(run: ReplacingRun, version: str) -> Findings:
    """A warning: manifests belong to us, but nobody shall lose a change without a word."""
    cluster = replace(run.configuration.cluster, kubernetes_version=version)
    try:
        found = tuple(
            f"{manifest_path(each.name)} is not what the cluster's configuration gives, which this run makes it: what you have"
            " changed by hand belongs into the cluster's configuration (extraArgs, extraVolumes, extraEnvs) or into a patch:\n"
            f"{changed_lines(each.kept, each.wanted, _SHOWN)}"
            for each in edited(run, cluster)
        )
    except PhaseError as damaged:
        return warning(f"whether manifests were edited is not known: {damaged}")
    return Findings(warnings=found)
