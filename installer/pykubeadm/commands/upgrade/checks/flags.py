"""Flags and feature gates that the new version does not know, wherever a user can have put them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from pykubeadm.commands.upgrade.retired import retired_flags, retired_gates
from pykubeadm.config.features import FEATURE_GATES
from pykubeadm.config.model import Arg, ClusterConfiguration
from pykubeadm.config.section import DocumentError, load_section
from pykubeadm.config.versions import Version, etcd_tag, etcd_version
from pykubeadm.constants import KUBELET_FLAGS_ENV
from pykubeadm.node.port import Node
from pykubeadm.phases.cluster.state import ClusterState
from pykubeadm.phases.kubelet.flags import read_flags
from pykubeadm.phases.preflight.check import Check, Findings


def flag_checks(
    state: ClusterState, cluster: ClusterConfiguration, node: Node, target: Version, *, etcd_upgrade: bool
) -> tuple[Check, ...]:
    """Beyond kubeadm, whose upgrades end with a component that does not start. `etcd_upgrade`: etcd is not left as it is."""
    return (
        Check("RemovedFlags", lambda _machine: removed_flags(cluster, node, target, etcd_upgrade=etcd_upgrade)),
        Check("RemovedFeatureGates", lambda _machine: removed_gates(state, cluster, node, target)),
    )


def kubelet_checks(node: Node, target: Version) -> tuple[Check, ...]:
    """What this node alone gives its kubelet."""
    return (Check("RemovedFeatureGates", lambda _machine: Findings(errors=tuple(_refused([_kubelet_gates(node)], target)))),)


def removed_flags(cluster: ClusterConfiguration, node: Node, target: Version, *, etcd_upgrade: bool = True) -> Findings:
    errors = [
        f"{component} {target} does not know the flag --{flag} of {place}: remove it"
        for place, component, args in _components(cluster)
        for flag in retired_flags(component, [arg.name for arg in args], target.minor)
    ]
    if etcd_upgrade:
        errors += _flags_of_etcd(cluster, target)
    gone = retired_flags("kubelet", [arg.name for arg in kubelet_flags(node)], target.minor)
    warnings = [
        f"the upgrade removes --{flag} from {KUBELET_FLAGS_ENV}, as the kubelet {target} has no use for it" for flag in gone
    ]
    return Findings(tuple(errors), tuple(warnings))


def _flags_of_etcd(cluster: ClusterConfiguration, target: Version) -> list[str]:
    """By etcd's own version, which the configuration may pin."""
    tag = etcd_tag(replace(cluster, kubernetes_version=str(target)))
    version = etcd_version(tag)
    if cluster.etcd.local is None or version is None or version[0] != 3:
        return []
    return [
        f"etcd {tag} does not know the flag --{flag} of etcd.local.extraArgs: remove it, or give the flag or feature gate that"
        " took its place in 3.6"
        for flag in retired_flags("etcd", [arg.name for arg in cluster.etcd.local.extra_args], version[1])
    ]


def removed_gates(state: ClusterState, cluster: ClusterConfiguration, node: Node, target: Version) -> Findings:
    """Kubernetes' own gates, which components refuse, are errors; kubeadm's own, which are dropped, are warnings."""
    errors = _refused(_gates(state, cluster, node), target)
    warnings = []
    for name in cluster.feature_gates:
        gate = FEATURE_GATES.get(name)
        if gate is None or (gate.removed_from and gate.removed_from <= target.minor):
            warnings.append(
                f"the feature gate {name} of ConfigMap kube-system/kubeadm-config does not exist in 1.{target.minor}, so it is"
                " ignored"
            )
    return Findings(tuple(errors), tuple(warnings))


def _refused(gates: Iterable[tuple[str, str, list[str]]], target: Version) -> list[str]:
    return [
        f"{component} {target} does not know the feature gate {gate} of {place}: remove it"
        for place, component, names in gates
        for gate in retired_gates(names, target.minor)
    ]


def kubelet_flags(node: Node) -> list[Arg]:
    """Of kubeadm-flags.env."""
    pairs = (word.lstrip("-").partition("=") for word in read_flags(node) or [] if word.startswith("-"))
    return [Arg(name=name, value=value) for name, _, value in pairs]


def _components(cluster: ClusterConfiguration) -> Iterator[tuple[str, str, tuple[Arg, ...]]]:
    """Of Kubernetes' own: where arguments stand, whose they are, and the arguments."""
    yield "apiServer.extraArgs", "kube-apiserver", cluster.api_server.extra_args
    yield "controllerManager.extraArgs", "kube-controller-manager", cluster.controller_manager.extra_args
    yield "scheduler.extraArgs", "kube-scheduler", cluster.scheduler.extra_args


def _gates(state: ClusterState, cluster: ClusterConfiguration, node: Node) -> Iterator[tuple[str, str, list[str]]]:
    for place, component, args in _components(cluster):
        yield place, component, _gates_of(args)
    yield _kubelet_gates(node)
    for config_map, key, component in (("kubelet-config", "kubelet", "the kubelet"), ("kube-proxy", "config.conf", "kube-proxy")):
        yield f"ConfigMap kube-system/{config_map}", component, list(_configured_gates(state.config_maps.get(config_map), key))


def _kubelet_gates(node: Node) -> tuple[str, str, list[str]]:
    return KUBELET_FLAGS_ENV, "the kubelet", _gates_of(kubelet_flags(node))


def _gates_of(args: Iterable[Arg]) -> list[str]:
    return [
        pair.partition("=")[0].strip() for arg in args if arg.name == "feature-gates" for pair in arg.value.split(",") if pair
    ]


def _configured_gates(config_map: Mapping[str, Any] | None, key: str) -> Iterable[str]:
    text = ((config_map or {}).get("data") or {}).get(key)
    try:
        return load_section(text.encode()).section("featureGates").data if text else ()
    except DocumentError:
        return ()
