"""Which upgrades are allowed: versions in, sentences out (kubeadm: phases/upgrade/policy.go).

kubeadm judges by its own version, as one kubeadm deploys one minor. This pykubeadm deploys several, each in any patch release, so
that the minors which it knows take the place of kubeadm's version. Beyond kubeadm's rules: the *oldest* API server counts for the
step up, so that a control plane that was forgotten does not end two minors behind; going back a minor has to be forced also
where the tool could do it; and kubelets that would be newer than the API servers are refused.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Final, TypeVar

from pykubeadm.config.versions import KUBELET_SKEW, MAXIMUM_MINOR, MINIMUM_MINOR, Version
from pykubeadm.errors import PreflightError
from pykubeadm.phases.cluster.state import ClusterVersions
from pykubeadm.util.dataclass import dataclass

V = TypeVar("V")


@dataclass(frozen=True, slots=True)
class Allowed:
    """What the user allows: `experimental` any pre-release, `candidates` release candidates alone."""

    experimental: bool = False
    candidates: bool = False


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a version is refused, with what to do; `forceable` ones are passed over with --force."""

    sentence: str
    forceable: bool


@dataclass(frozen=True, slots=True)
class Known:
    """The minors that the tool can deploy."""

    oldest: int = MINIMUM_MINOR
    newest: int = MAXIMUM_MINOR


_KNOWN: Final = Known()


def refusals(target: Version, cluster: ClusterVersions, allowed: Allowed, known: Known = _KNOWN) -> tuple[Refusal, ...]:
    """Every reason not to upgrade the cluster to `target`, those that cannot be forced first."""
    found = [
        *_of_tool(target, cluster, known),
        *_of_steps(target, cluster),
        *_of_stability(target, allowed),
        *_of_kubelets(target, cluster.kubelets),
        *_of_unknown(target, cluster.unknown),
    ]
    return tuple(sorted(found, key=lambda refusal: refusal.forceable))


def enforce(found: Sequence[Refusal], *, force: bool, note: Callable[[str], None]) -> None:
    """PreflightError with the refusals, those that cannot be forced alone where there are some; what is forced goes to `note`."""
    fatal = [refusal for refusal in found if not refusal.forceable]
    if fatal or (found and not force):
        shown = fatal or list(found)
        hint = "" if fatal else "\nIf you know better, `pykubeadm upgrade apply --force` passes over this."
        raise PreflightError(
            "\n".join(["this version cannot be upgraded to:", *(f"\t- {refusal.sentence}" for refusal in shown)]) + hint
        )
    for refusal in found:
        note(f"--force passes over this: {refusal.sentence}")


def _of_tool(target: Version, cluster: ClusterVersions, known: Known) -> Iterator[Refusal]:
    if cluster.oldest.minor < known.oldest:
        yield Refusal(
            f"the cluster has an API server {cluster.oldest}, and this pykubeadm upgrades clusters of 1.{known.oldest} and newer:"
            f" upgrade it to 1.{known.oldest} with kubeadm first",
            forceable=False,
        )
    if (target.major, target.minor) < (1, known.oldest):
        yield Refusal(
            f"{target} is older than 1.{known.oldest}, the oldest that this pykubeadm deploys: choose a newer version",
            forceable=False,
        )
    if (target.major, target.minor) > (1, known.newest):
        yield Refusal(
            f"{target} is newer than 1.{known.newest}, the newest that this pykubeadm knows: upgrade pykubeadm first",
            forceable=bool(target.pre),
        )


def _of_steps(target: Version, cluster: ClusterVersions) -> Iterator[Refusal]:
    """One minor at a time; a pre-release may be forced."""
    if target.minor > cluster.oldest.minor + 1:
        behind = _nodes_with(cluster.api_servers, lambda version: version.minor + 1 < target.minor)
        between = f"upgrade to 1.{cluster.oldest.minor + 1} first"
        where = "" if cluster.oldest.minor == cluster.newest.minor else f" (on {behind})"
        yield Refusal(
            f"{target} is more than one minor above the API server's {cluster.oldest}{where}: {between}",
            forceable=bool(target.pre),
        )
    if target.minor < cluster.newest.minor - 1:
        yield Refusal(
            f"{target} is more than one minor below the API server's {cluster.newest}: nothing goes back that far but a restored"
            " snapshot of etcd",
            forceable=bool(target.pre),
        )
    elif target.minor < cluster.newest.minor:
        yield Refusal(
            f"{target} is a minor below the API server's {cluster.newest}, which Kubernetes does not support: what is stored in"
            " the newer form may be lost; restore a snapshot of etcd taken before the upgrade",
            forceable=True,
        )


def _of_stability(target: Version, allowed: Allowed) -> Iterator[Refusal]:
    if not target.pre or allowed.experimental:
        return
    is_candidate = target.pre.startswith("rc")
    if is_candidate and allowed.candidates:
        return
    flag = "--allow-release-candidate-upgrades" if is_candidate else "--allow-experimental-upgrades"
    yield Refusal(f"{target} is not a stable release: choose one, or give {flag} on a cluster that may break", forceable=True)


def _of_kubelets(target: Version, kubelets: Mapping[str, Version]) -> Iterator[Refusal]:
    old = [version for version in kubelets.values() if target.minor > version.minor + KUBELET_SKEW]
    if old:
        nodes = _nodes_with(kubelets, lambda version: version in old)
        yield Refusal(
            f"kubelets of {_named(old)} (on {nodes}) are more than {KUBELET_SKEW} minors older than {target}: upgrade them first",
            forceable=True,
        )
    new = [version for version in kubelets.values() if version.minor > target.minor]
    if new:
        nodes = _nodes_with(kubelets, lambda version: version in new)
        yield Refusal(
            f"kubelets of {_named(new)} (on {nodes}) are newer than {target}, which no API server supports: replace them first",
            forceable=True,
        )


def _of_unknown(target: Version, unknown: Mapping[str, str]) -> Iterator[Refusal]:
    if unknown:
        nodes, texts = _nodes_with(unknown, lambda _text: True), sorted({f'"{text}"' for text in unknown.values()})
        yield Refusal(
            f"the Nodes {nodes} give {', '.join(texts)} for their kubelet's version, so that it is not known whether {target} is "
            "too new for them",
            forceable=True,
        )


def _named(versions: Collection[Version]) -> str:
    return ", ".join(str(version) for version in sorted(set(versions)))


def _nodes_with(versions: Mapping[str, V], matches: Callable[[V], bool]) -> str:
    """The first nodes by name; a cluster may have thousands."""
    names = sorted(name for name, version in versions.items() if matches(version))
    shown = 5
    more = len(names) - shown
    return ", ".join(names[:shown]) + (f" and {more} more" if more > 0 else "")
