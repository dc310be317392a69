"""Which upgrades there are for a cluster (kubeadm: phases/upgrade/compute.go): by what https://dl.k8s.io says today, and without
it by what this pykubeadm and the folders with assets know."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from pykubeadm.commands.upgrade.policy import Allowed
from pykubeadm.config.release import LookUp
from pykubeadm.config.versions import MAXIMUM_MINOR, RELEASES, Version, parse_version
from pykubeadm.util.dataclass import dataclass
from pykubeadm.util.side_by_side import side_by_side

_STABLE = "stable version"
_CANDIDATE = "release candidate version"
_EXPERIMENTAL = "experimental version"


@dataclass(frozen=True, slots=True)
class Offer:
    """A version to upgrade to; `description` is kubeadm's, as in "Upgrade to the latest stable version"."""

    description: str
    target: Version


def known_versions(held: Iterable[Version] = ()) -> tuple[Version, ...]:
    """The newest release of every minor that this pykubeadm knows, with those that the folders with assets hold."""
    return tuple(sorted({*(parse_version(release.newest) for release in RELEASES.values()), *held}))


def offer_of(cluster: Version, target: Version) -> Offer:
    """For a version that the user names, whatever it is. (kubeadm names the cluster's series also for another minor.)"""
    if target.pre:
        return Offer(_CANDIDATE if target.pre.startswith("rc") else _EXPERIMENTAL, target)
    return Offer(_series(cluster) if target.minor == cluster.minor else _STABLE, target)


def offers(
    cluster: Version, ask: LookUp, known: Iterable[Version], allowed: Allowed, note: Callable[[str], None]
) -> tuple[Offer, ...]:
    """What is newer than the cluster: the newest patch release of its minor, then the next minor's, then pre-releases where
    `allowed`. `known` counts for a minor of which `ask` knows nothing, and `note` hears of it."""
    if cluster.minor > MAXIMUM_MINOR:
        note(f"the cluster is at {cluster}, and this pykubeadm knows up to 1.{MAXIMUM_MINOR}: upgrade pykubeadm first")
    minors = [minor for minor in (cluster.minor, cluster.minor + 1) if minor <= MAXIMUM_MINOR]
    answers = side_by_side(lambda minor: _answer(ask, f"stable-1.{minor}"), minors, len(minors)) if minors else []
    silent = [minor for minor, answer in zip(minors, answers, strict=True) if answer is None]
    if silent:
        which = "" if silent == minors else f" for {', '.join(f'1.{minor}' for minor in silent)}"
        note(f"https://dl.k8s.io does not answer{which}; the newest versions known here are shown, and there may be newer ones")
    newest = [answer or _newest(known, minor) for minor, answer in zip(minors, answers, strict=True)]
    found = [
        Offer(_series(cluster) if version.minor == cluster.minor else _STABLE, version)
        for version in newest
        if version is not None and version > cluster
    ]
    return (*found, *_unstable(cluster, ask, allowed, note))


def _unstable(cluster: Version, ask: LookUp, allowed: Allowed, note: Callable[[str], None]) -> Iterator[Offer]:
    """How kubeadm reads the labels: `latest` is an alpha of the minor in the making, `latest-1.N` of the one before it
    whatever came last. An alpha.0 is only the beginning of a branch."""
    if not (allowed.experimental or allowed.candidates):
        return
    latest = _answer(ask, "latest")
    before = _answer(ask, f"latest-1.{latest.minor - 1}") if latest else None
    if latest is None or before is None:
        note("https://dl.k8s.io does not answer, so that pre-releases cannot be found: name one, as in v1.37.0-rc.1")
        return
    if allowed.candidates and before.pre.startswith("rc") and before > cluster:
        yield Offer(_CANDIDATE, before)
    if allowed.experimental and latest > cluster:
        yield Offer(_EXPERIMENTAL, before if latest.pre == "alpha.0" else latest)


def _series(cluster: Version) -> str:
    return f"version in the v{cluster.major}.{cluster.minor} series"


def _newest(known: Iterable[Version], minor: int) -> Version | None:
    return max((version for version in known if version.minor == minor and not version.pre), default=None)


def _answer(ask: LookUp, label: str) -> Version | None:
    answer = ask(label)
    try:
        return parse_version(answer) if answer else None
    except ValueError:
        return None  # a proxy's login page, say
