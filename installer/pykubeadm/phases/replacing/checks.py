"""What would be lost or undone on this node: changes that somebody made to static pods by hand, and another version."""

from __future__ import annotations

from dataclasses import replace

from pykubeadm.config.versions import Version
from pykubeadm.errors import PhaseError
from pykubeadm.phases.cluster.state import image_version
from pykubeadm.phases.preflight.check import Check, Findings, warning
from pykubeadm.phases.replacing.components import API_SERVER, components, image_of
from pykubeadm.phases.replacing.pods_before import edited, looking
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


def own_versions(run: ReplacingRun) -> tuple[Version, Version] | None:
    """Of the API server on this node: the version that runs, and the one that the run would bring. None where a tag does not
    say it. PhaseError where a manifest is missing or damaged."""
    server = next(component for component in components(looking(run)) if component.name == API_SERVER)
    running, wanted = (image_version(image_of(pod)) for pod in (server.former, server.wanted))
    return (running, wanted) if running and wanted else None
