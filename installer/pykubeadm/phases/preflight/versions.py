"""Checks of versions that must fit together."""

from __future__ import annotations

from functools import partial

from pykubeadm.config.versions import KUBELET_SKEW, MAXIMUM_MINOR, MINIMUM_MINOR, parse_version
from pykubeadm.errors import PhaseError
from pykubeadm.phases.documents import read_document
from pykubeadm.phases.preflight.check import FINE, Check, Findings, error, warning
from pykubeadm.phases.preflight.machine import Machine


def kubernetes_version(version: str) -> Check:
    """The release was tried with this tool."""
    return Check("KubernetesVersion", partial(_kubernetes_version, version))


def kubelet_version(control_plane: str | None) -> Check:
    """There is a kubelet, not newer than the control plane and not too old for it; None where that is not known yet."""
    return Check("KubeletVersion", partial(_kubelet_version, control_plane))


def deployed_version(manifest: str, version: str) -> Check:
    """A static pod of an earlier run is of the same minor version: another would be an upgrade without its checks."""
    return Check("DeployedVersion", partial(_deployed_version, manifest, version))


def _kubernetes_version(version: str, _machine: Machine) -> Findings:
    if parse_version(version).minor <= MAXIMUM_MINOR:
        return FINE
    return warning(
        f"Kubernetes {version} is newer than 1.{MAXIMUM_MINOR}, the newest that this pykubeadm knows; upgrade pykubeadm"
    )


def _kubelet_version(control_plane: str | None, machine: Machine) -> Findings:
    found = machine.kubelet_version()
    if found is None:
        which = f"kubelet {control_plane}" if control_plane else "a kubelet"
        return error(f"there is no kubelet that answers `kubelet --version`; install {which}")
    kubelet = parse_version(found)
    if control_plane is None:
        oldest = MINIMUM_MINOR - KUBELET_SKEW
        return FINE if kubelet.minor >= oldest else error(f"kubelet {found} is too old; install one of 1.{oldest} or newer")
    wanted = parse_version(control_plane)
    if (kubelet.major, kubelet.minor) > (wanted.major, wanted.minor):
        return error(f"kubelet {found} is newer than the control plane {control_plane}; install kubelet {control_plane}")
    if kubelet.minor < wanted.minor - KUBELET_SKEW:
        skew = f"more than {KUBELET_SKEW} minor versions older"
        return error(f"kubelet {found} is {skew} than the control plane {control_plane}; install kubelet {control_plane}")
    return FINE


def _deployed_version(manifest: str, version: str, machine: Machine) -> Findings:
    try:
        pod = read_document(machine.node, manifest)
        image = pod.data["spec"]["containers"][0]["image"] if pod else ""
        deployed, wanted = parse_version(str(image).partition("@")[0].rpartition(":")[2]), parse_version(version)
    except (PhaseError, LookupError, TypeError, ValueError):  # none, damaged, or with a tag of the user's
        return FINE
    if (deployed.major, deployed.minor) == (wanted.major, wanted.minor):
        return FINE
    return error(
        f"{manifest} deploys {deployed} and the configuration has {version}: `pykubeadm upgrade` goes from one minor version to "
        "another"
    )
