"""What an upgrade would bring each component to, as kubeadm's UpgradePlan has it (kubeadm: cmd/upgrade/plan.go)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from pykubeadm.commands.upgrade.offers import Offer
from pykubeadm.config.components import KUBE_PROXY_API, KUBELET_API
from pykubeadm.config.model import ClusterConfiguration
from pykubeadm.config.section import DocumentError, load_section
from pykubeadm.config.versions import MAXIMUM_MINOR, RELEASES, coredns_image, etcd_tag
from pykubeadm.phases.cluster.state import ClusterState, image_of, kubelet_version, name, tag_of
from pykubeadm.util.component_config import is_generated
from pykubeadm.util.dataclass import dataclass

_KUBELET = "kubelet"
_KUBEADM = "kubeadm"


@dataclass(frozen=True, slots=True)
class PlannedComponent:
    """A component, `node` is "" where it is the cluster's, and the versions before and after."""

    name: str
    current: str
    target: str
    node: str = ""


@dataclass(frozen=True, slots=True)
class ConfigVersion:
    """The version in which a component's configuration is stored ("" where it is not), and the one it should have."""

    group: str
    current: str
    preferred: str
    manual: bool


def components(
    state: ClusterState, stored: ClusterConfiguration, offer: Offer, *, etcd_upgrade: bool
) -> tuple[PlannedComponent, ...]:
    """In kubeadm's order. Image tags that the configuration pins stay as they are."""
    target = str(offer.target)
    cluster = replace(stored, kubernetes_version=target)
    found = [*_kubelets(state, target)]
    for component in ("kube-apiserver", "kube-controller-manager", "kube-scheduler"):
        found += _by_node(component, state.tags(component), target)
    if not stored.proxy.disabled:
        found.append(PlannedComponent("kube-proxy", str(state.versions.newest).removeprefix("v"), target))
    if state.dns is not None and not stored.dns.disabled:
        found.append(PlannedComponent("CoreDNS", tag_of(image_of(state.dns, "coredns")), tag_of(coredns_image(cluster))))
    found.append(PlannedComponent(_KUBEADM, _tool_for(offer), target))
    if etcd_upgrade:
        found += _by_node("etcd", state.tags("etcd"), etcd_tag(cluster))
    return tuple(found)


def config_versions(state: ClusterState) -> tuple[ConfigVersion, ...]:
    """Of kube-proxy's and the kubelets' configuration."""
    return (
        _config_version(state.config_maps.get("kube-proxy"), "config.conf", KUBE_PROXY_API),
        _config_version(state.config_maps.get("kubelet-config"), "kubelet", KUBELET_API),
    )


def plan_document(
    upgrades: Sequence[tuple[Offer, Sequence[PlannedComponent]]], versions: Sequence[ConfigVersion]
) -> dict[str, Any]:
    """The UpgradePlan as kubeadm prints it (apis/output/v1alpha3/types.go)."""
    return {
        "kind": "UpgradePlan",
        "apiVersion": "output.kubeadm.k8s.io/v1alpha3",
        "availableUpgrades": [
            {"description": offer.description, "components": [_entry(component) for component in found]}
            for offer, found in upgrades
        ],
        "configVersions": [
            {
                "group": version.group,
                "currentVersion": version.current,
                "preferredVersion": version.preferred,
                "manualUpgradeRequired": version.manual,
            }
            for version in versions
        ],
    }


def _entry(component: PlannedComponent) -> dict[str, str]:
    entry = {"name": component.name, "currentVersion": component.current, "newVersion": component.target}
    return entry | ({"nodeName": component.node} if component.node else {})


def _kubelets(state: ClusterState, target: str) -> Iterator[PlannedComponent]:
    """By version, then by node; none where all have the target already."""
    found = {name(node): kubelet_version(node) for node in state.nodes}
    if set(found.values()) - {target}:
        yield from _by_node(_KUBELET, found, target)


def _by_node(component: str, versions: Mapping[str, str], target: str) -> Iterator[PlannedComponent]:
    for node, version in sorted(versions.items(), key=lambda item: (item[1], item[0])):
        yield PlannedComponent(component, version, target, node)


def _tool_for(offer: Offer) -> str:
    """In place of kubeadm's own version: this pykubeadm does what kubeadm of the target does, for every minor that it knows."""
    return str(offer.target) if offer.target.minor <= MAXIMUM_MINOR else RELEASES[MAXIMUM_MINOR].newest


def _config_version(config_map: Mapping[str, Any] | None, key: str, api: tuple[str, str]) -> ConfigVersion:
    """What nobody wrote by hand is made again in the wanted version."""
    group, _, preferred = api[0].partition("/")
    data = (config_map or {}).get("data") or {}
    if config_map is None or key not in data:
        return ConfigVersion(group, "", preferred, manual=False)
    try:
        current = str(load_section(data[key].encode()).data.get("apiVersion", "")).partition("/")[2]
    except DocumentError:
        current = ""
    is_ours = is_generated(config_map["metadata"].get("annotations") or {}, data)
    return ConfigVersion(group, current, preferred, manual=current != preferred and not is_ours)
