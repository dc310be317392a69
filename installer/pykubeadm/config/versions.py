"""The one table of what belongs to a Kubernetes version: image tags, supported skews, version parsing.

A row is what kubeadm puts in place (constants/constants.go: kubeadm 1.35 for 1.34, kubeadm 1.36 for 1.35 and 1.36, kubeadm 1.37
for 1.37, whose final tags were read in its changelog and pull requests alone). kubeadm 1.37 deploys 1.36, too, with a newer etcd
than kubeadm 1.36 does (3.6.11 in CHANGELOG-1.37). Users override tags in the configuration.
"""

from __future__ import annotations

import re
from functools import total_ordering
from typing import TYPE_CHECKING, Final

from pykubeadm.util.dataclass import dataclass

if TYPE_CHECKING:
    from pykubeadm.config.model import ClusterConfiguration

DEFAULT_REPOSITORY: Final = "registry.k8s.io"


@dataclass(frozen=True, slots=True)
class Release:
    """What a Kubernetes minor comes with. `newest` is the newest patch release known; a note says so where it is used."""

    etcd: str
    coredns: str
    pause: str
    newest: str


RELEASES: Final[dict[int, Release]] = {
    34: Release(etcd="3.6.6-0", coredns="v1.13.1", pause="3.10.1", newest="v1.34.3"),
    35: Release(etcd="3.6.8-0", coredns="v1.14.2", pause="3.10.2", newest="v1.35.6"),
    36: Release(etcd="3.6.8-0", coredns="v1.14.2", pause="3.10.2", newest="v1.36.2"),
    37: Release(etcd="3.7.0-0", coredns="v1.14.6", pause="3.10.2", newest="v1.37.1"),
}
MINIMUM_MINOR: Final = min(RELEASES)
MAXIMUM_MINOR: Final = max(RELEASES)
DEFAULT_MINOR: Final = 36  # the minor that `stable-1` means where no newer one was tried with this release of pykubeadm
NEWEST_KNOWN: Final = RELEASES[DEFAULT_MINOR].newest
PRINTED_DEFAULT: Final = f"1.{DEFAULT_MINOR}.0"  # what `config print init-defaults` shows
MINIMUM_EXTERNAL_ETCD: Final = "3.5.24-0"
KUBELET_SKEW: Final = 3  # minors that a kubelet may be older than the API server

_SEMANTIC = re.compile(
    r"v?(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)"
    r"(?:-((?!0\d+(?:[.+]|$))[0-9A-Za-z-]+(?:\.(?!0\d+(?:[.+]|$))[0-9A-Za-z-]+)*))?(?:\+([0-9A-Za-z.-]+))?",
    re.ASCII,
)


@total_ordering
@dataclass(frozen=True, slots=True, eq=False)
class Version:
    """A semantic version (semver.org 2.0.0). Build metadata is kept for printing and ignored in comparisons."""

    major: int
    minor: int
    patch: int
    pre: str = ""
    build: str = ""

    @property
    def release(self) -> Version:
        """Without what makes it another build, or a pre-release, of that."""
        return Version(self.major, self.minor, self.patch)

    def __str__(self) -> str:
        return (
            f"v{self.major}.{self.minor}.{self.patch}"
            + (f"-{self.pre}" if self.pre else "")
            + (f"+{self.build}" if self.build else "")
        )

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Version) and self._key() == other._key()

    def __hash__(self) -> int:
        return hash(self._key())

    def __lt__(self, other: Version) -> bool:
        return self._key() < other._key()

    def _key(self) -> tuple[object, ...]:
        # A pre-release sorts before its release; numeric identifiers sort before words and by value.
        words = tuple((0, int(word), "") if word.isdigit() else (1, 0, word) for word in self.pre.split(".")) if self.pre else ()
        return (self.major, self.minor, self.patch, not self.pre, words)


def parse_version(text: str) -> Version:
    """The semantic version in `text` ("v1.36.2", "1.37.0-rc.1"); ValueError with a sentence where it is none."""
    found = _SEMANTIC.fullmatch(text)
    if not found:
        raise ValueError(f'"{text}" is not a version such as "v1.36.2"')
    major, minor, patch, pre, build = found.groups()
    return Version(int(major), int(minor), int(patch), pre or "", build or "")


def release_of(version: str) -> Release:
    """The row for a Kubernetes version; below or above the table its nearest row, as kubeadm does for etcd."""
    minor = parse_version(version).minor
    return RELEASES[min(max(minor, MINIMUM_MINOR), MAXIMUM_MINOR)]


def is_supported(version: Version) -> bool:
    """Whether pykubeadm deploys control planes of this version."""
    return version.major == 1 and version.minor in RELEASES


def etcd_version(tag: str) -> tuple[int, ...] | None:
    """The parts of an etcd image tag, to compare ("3.6.8-0": 3, 6, 8, 0); None where it is no version."""
    found = re.fullmatch(r"v?(\d+)\.(\d+)\.(\d+)(?:-(\d+))?", tag, re.ASCII)
    return tuple(int(part or 0) for part in found.groups()) if found else None


def etcd_is_3_5(tag: str) -> bool:
    """Whether an etcd image tag ("3.5.21-0") is of the 3.5 series or older, which takes the `experimental-*` flags."""
    found = re.match(r"v?(\d+)\.(\d+)\b", tag)
    return found is not None and (int(found[1]), int(found[2])) <= (3, 5)


def kubernetes_image(name: str, cluster: ClusterConfiguration) -> str:
    """The image of a component from the Kubernetes repository: kube-apiserver, …, kube-proxy."""
    tag = re.sub(r"[^-\w.]", "_", cluster.kubernetes_version, flags=re.ASCII)
    return f"{cluster.image_repository}/{name}:{tag}"


def etcd_tag(cluster: ClusterConfiguration) -> str:
    local = cluster.etcd.local
    return (local.image_tag if local else "") or release_of(cluster.kubernetes_version).etcd


def etcd_image(cluster: ClusterConfiguration) -> str:
    local = cluster.etcd.local
    return f"{(local.image_repository if local else '') or cluster.image_repository}/etcd:{etcd_tag(cluster)}"


def coredns_image(cluster: ClusterConfiguration) -> str:
    """Lies one folder deeper in the default repository only (kubeadm: images/images.go)."""
    repository = cluster.dns.image_repository or cluster.image_repository
    folder = f"{repository}/coredns" if repository == DEFAULT_REPOSITORY else repository
    return f"{folder}/coredns:{cluster.dns.image_tag or release_of(cluster.kubernetes_version).coredns}"


def pause_image(cluster: ClusterConfiguration) -> str:
    return f"{cluster.image_repository}/pause:{release_of(cluster.kubernetes_version).pause}"


def images(cluster: ClusterConfiguration) -> tuple[str, ...]:
    """Every image that a control plane needs, in kubeadm's order; `cluster.kubernetes_version` must be resolved."""
    names = ["kube-apiserver", "kube-controller-manager", "kube-scheduler"] + ([] if cluster.proxy.disabled else ["kube-proxy"])
    found = [kubernetes_image(name, cluster) for name in names]
    if not cluster.dns.disabled:
        found.append(coredns_image(cluster))
    found.append(pause_image(cluster))
    if cluster.etcd.external is None:
        found.append(etcd_image(cluster))
    return tuple(found)
