"""This node's static pods as its configuration had them before, to find what somebody changed in their manifests by hand."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, Final, TypeVar

from pykubeadm.config.model import ClusterConfiguration
from pykubeadm.config.versions import parse_version
from pykubeadm.node.recording import RecordingNode
from pykubeadm.patches.three_way import three_way
from pykubeadm.phases.replacing.components import ETCD, Component, components, decoded, image_of, image_tag
from pykubeadm.phases.replacing.run import ReplacingRun
from pykubeadm.util.dataclass import dataclass
from pykubeadm.util.kube_object import KubeObject
from pykubeadm.workflow.events import Event

_FORMER_VOLUMES: Final = ("flexvolume-dir",)  # of the controller manager, until kubeadm 1.35


@dataclass(frozen=True, slots=True)
class Edited:
    """A static pod in whose manifest something is not ours: `kept` is what it would be if the run kept that."""

    name: str
    wanted: KubeObject
    kept: KubeObject


R = TypeVar("R", bound=ReplacingRun)


def looking(run: R, cluster: ClusterConfiguration | None = None, *, patched: bool = True) -> R:
    """The run as one that changes nothing and reports nothing, for `cluster` where that is another."""
    return replace(
        run,
        node=RecordingNode(run.node),
        configuration=replace(run.configuration, cluster=cluster or run.configuration.cluster),
        patches=run.patches if patched else (),
        emit=_silent,
    )


def edited(run: ReplacingRun, cluster: ClusterConfiguration) -> Iterator[Edited]:
    """Of every static pod that a run to `cluster` would undo something in. PhaseError where a manifest is missing or damaged."""
    wanted = {component.name: component for component in components(looking(run, cluster))}
    former = replace(run.stored, kubernetes_version=_version(wanted) or run.stored.kubernetes_version)
    for component in components(looking(run, former, patched=False)):
        base = _with_image(component)
        live, target = (decoded(pod) for pod in (_without_kubeadms(component.former), wanted[component.name].wanted))
        kept = three_way(decoded(base), live, target).value
        if kept != target:
            yield Edited(component.name, target, kept)


def _version(found: Mapping[str, Component]) -> str:
    """That of the API server on this node: the cluster's configuration may name the new one already."""
    tag = image_tag(found["kube-apiserver"].former)
    try:
        return str(parse_version(tag))
    except ValueError:
        return ""


def _with_image(component: Component) -> KubeObject:
    """Which of our etcds runs says nothing: a cluster gets the one that its tool knew last."""
    pod = component.wanted
    ours, theirs = image_of(pod), image_of(component.former)
    if component.name != ETCD or _repository(ours) != _repository(theirs):
        return pod
    containers: list[dict[str, Any]] = [pod["spec"]["containers"][0] | {"image": theirs}, *pod["spec"]["containers"][1:]]
    return pod | {"spec": pod["spec"] | {"containers": containers}}


def _without_kubeadms(pod: KubeObject) -> KubeObject:
    """Without the volumes that kubeadm no longer has: nobody put them there by hand."""

    def others(entries: Any) -> list[Any]:
        return [entry for entry in entries or () if entry.get("name") not in _FORMER_VOLUMES]

    spec = pod["spec"]
    if len(others(spec.get("volumes"))) == len(spec.get("volumes") or ()):
        return pod
    containers = [each | {"volumeMounts": others(each.get("volumeMounts"))} for each in spec["containers"]]
    return pod | {"spec": spec | {"containers": containers, "volumes": others(spec["volumes"])}}


def _repository(image: str) -> str:
    return image.partition("@")[0].rpartition(":")[0]


def _silent(_event: Event) -> None:
    """What is found out here is reported where it matters."""
