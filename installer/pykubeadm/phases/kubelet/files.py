"""The files the kubelet starts with: its configuration, what holds for this machine only, and its flags."""

from __future__ import annotations

from pykubeadm.constants import KUBELET_CONFIG, KUBELET_DIR, KUBELET_FLAGS_ENV, KUBELET_INSTANCE_CONFIG
from pykubeadm.node.port import Directory, File
from pykubeadm.phases.patching import patched
from pykubeadm.phases.run import ClusterRun
from pykubeadm.phases.static_pods.manifests import missing_directory
from pykubeadm.util.yaml_output import to_yaml


def kubelet_files(run: ClusterRun, *, register_with_taints: bool = False) -> list[File | Directory]:
    """The files config.yaml, instance-config.yaml and kubeadm-flags.env, and their directory where it is missing."""
    from pykubeadm.manifests.kubelet import for_node, instance_configuration, kubelet_configuration, kubelet_flags

    configuration = run.configuration
    registration = configuration.this_node.node_registration
    document = for_node(kubelet_configuration(configuration.cluster, configuration.kubelet, run.note), run.host, run.note)
    instance = instance_configuration(registration)
    document = patched(run.patches, "kubeletconfiguration", document) | instance
    flags = kubelet_flags(registration, run.host, register_with_taints=register_with_taints)
    return [
        *missing_directory(run.node, KUBELET_DIR),
        _file(run, KUBELET_FLAGS_ENV, flags),
        _file(run, KUBELET_INSTANCE_CONFIG, to_yaml(instance)),
        _file(run, KUBELET_CONFIG, to_yaml(document)),
    ]


def rotated_pair(run: ClusterRun) -> str:
    """Where the kubelet keeps the client certificate that it renews, and its key, in one file."""
    flags = {arg.name: arg.value for arg in run.configuration.this_node.node_registration.kubelet_extra_args}
    return f"{flags.get('cert-dir') or f'{KUBELET_DIR}/pki'}/kubelet-client-current.pem"


def _file(run: ClusterRun, path: str, text: str) -> File:
    """A file that is there keeps its mode: benchmarks want these closed to other users."""
    stat = run.node.stat(path)
    return File(path, text.encode(), stat.mode if stat and stat.kind == "file" else 0o644)
