"""The files the kubelet starts with: its configuration, what holds for this machine only, and its flags."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from pykubeadm.constants import KUBELET_CONFIG, KUBELET_DIR, KUBELET_FLAGS_ENV, KUBELET_INSTANCE_CONFIG
from pykubeadm.node.port import Directory, File, Looked
from pykubeadm.phases.patching import patched
from pykubeadm.phases.run import ClusterRun
from pykubeadm.phases.static_pods.manifests import missing_directory
from pykubeadm.util.yaml_output import to_yaml


def kubelet_files(run: ClusterRun, *, register_with_taints: bool = False) -> list[File | Directory]:
    """The files config.yaml, instance-config.yaml and kubeadm-flags.env, and their directory where it is missing."""
    from pykubeadm.manifests.kubelet import instance_configuration, instance_text, kubelet_flags

    registration = run.configuration.this_node.node_registration
    there = run.node.ahead(stat=(KUBELET_DIR, KUBELET_FLAGS_ENV, KUBELET_INSTANCE_CONFIG, KUBELET_CONFIG))
    instance = instance_configuration(registration)
    flags = kubelet_flags(registration, run.host, register_with_taints=register_with_taints)
    return [
        *missing_directory(there, KUBELET_DIR),
        _file(there, KUBELET_FLAGS_ENV, flags),
        _file(there, KUBELET_INSTANCE_CONFIG, instance_text(instance)),
        config_file(run, run.configuration.kubelet, instance, there=there),
    ]


def config_file(run: ClusterRun, kubelet: Mapping[str, Any], instance: Mapping[str, Any], *, there: Looked | None = None) -> File:
    """The file config.yaml: the cluster's KubeletConfiguration completed and patched, with what holds on this machine only."""
    from pykubeadm.manifests.kubelet import for_node, kubelet_configuration

    document = for_node(kubelet_configuration(run.configuration.cluster, kubelet, run.note), run.host, run.note)
    return _file(
        there or run.node, KUBELET_CONFIG, to_yaml(patched(run.patches, "kubeletconfiguration", document) | dict(instance))
    )


def fitting(kubelet: Mapping[str, Any], node: Looked, warn: Callable[[str], None]) -> Mapping[str, Any]:
    """The cluster's KubeletConfiguration without what cannot hold here: the first control plane may have systemd-resolved where
    this node has none, and a kubelet does not start without its resolvConf."""
    path = kubelet.get("resolvConf")
    if not path or node.stat(path) is not None:
        return kubelet
    warn(f"the cluster's kubelets take their name servers from {path}, which this node does not have; taking /etc/resolv.conf")
    return {**kubelet, "resolvConf": "/etc/resolv.conf"}


def rotated_pair(run: ClusterRun) -> str:
    """Where the kubelet keeps the client certificate that it renews, and its key, in one file."""
    flags = {arg.name: arg.value for arg in run.configuration.this_node.node_registration.kubelet_extra_args}
    return f"{flags.get('cert-dir') or f'{KUBELET_DIR}/pki'}/kubelet-client-current.pem"


def _file(node: Looked, path: str, text: str) -> File:
    """A file that is there keeps its mode: benchmarks want these closed to other users."""
    stat = node.stat(path)
    return File(path, text.encode(), stat.mode if stat and stat.kind == "file" else 0o644)
