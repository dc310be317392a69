"""kubeadm's own feature gates (kubeadm: features/features.go)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING

from pykubeadm.config.versions import DEFAULT_MINOR, parse_version
from pykubeadm.constants import FALSE, TRUE
from pykubeadm.util.dataclass import dataclass

if TYPE_CHECKING:
    from pykubeadm.config.model import ClusterConfiguration
    from pykubeadm.config.report import Report


@dataclass(frozen=True, slots=True)
class FeatureGate:
    """`locked_from` and `removed_from` are Kubernetes minors; `deprecated` is the sentence a user of the gate gets."""

    default: bool
    locked_from: int | None = None
    removed_from: int | None = None
    deprecated: str = ""


FEATURE_GATES = {
    "NodeLocalCRISocket": FeatureGate(default=True, locked_from=36, removed_from=37),
    "PublicKeysECDSA": FeatureGate(default=False, removed_from=37, deprecated="set encryptionAlgorithm: ECDSA-P256 in its place"),
    "RootlessControlPlane": FeatureGate(default=False, deprecated="the kubelet's UserNamespacesSupport takes its place"),
}


def check_feature_gates(cluster: ClusterConfiguration, report: Report) -> None:
    """Unknown and locked gates are problems, deprecated ones notes."""
    try:
        minor = parse_version(cluster.kubernetes_version).minor
    except ValueError:
        minor = DEFAULT_MINOR  # the version's own problem is reported elsewhere
    for name, enabled in cluster.feature_gates.items():
        gate = FEATURE_GATES.get(name)
        path = ("featureGates", name)
        if gate is None:
            report.problem(path, f'"{name}" is not a feature gate; there are {", ".join(FEATURE_GATES)}')
        elif gate.removed_from and minor >= gate.removed_from:
            report.problem(path, f'the feature gate "{name}" no longer exists in Kubernetes 1.{gate.removed_from}')
        elif gate.locked_from and minor >= gate.locked_from and enabled != gate.default:
            report.problem(
                path, f'the feature gate "{name}" is locked to {str(gate.default).lower()} since Kubernetes 1.{gate.locked_from}'
            )
        elif gate.deprecated:
            report.note(f'the feature gate "{name}" is deprecated; {gate.deprecated}')


def without_removed_gates(cluster: ClusterConfiguration) -> ClusterConfiguration:
    """Without the gates that its version of Kubernetes no longer has: nobody else takes them out of what is stored."""
    minor = parse_version(cluster.kubernetes_version).minor
    gone = {name for name, gate in FEATURE_GATES.items() if gate.removed_from and minor >= gate.removed_from}
    kept = {name: enabled for name, enabled in cluster.feature_gates.items() if name not in gone}
    return replace(cluster, feature_gates=kept)


def parse_feature_gates(pairs: Iterable[str]) -> dict[str, bool]:
    """The flag's pairs, "A=true" each, of which the last of a name counts; ValueError with a sentence where one is none. Names
    are not checked here."""
    gates = {}
    for part in filter(None, pairs):
        name, separator, value = (piece.strip() for piece in part.partition("="))
        if not separator:
            raise ValueError(f'"{part}" has no value; write {name}=true or {name}=false')
        if value not in TRUE | FALSE:
            raise ValueError(f'"{value}" is not a value for {name}; write {name}=true or {name}=false')
        gates[name] = value in TRUE
    return gates
