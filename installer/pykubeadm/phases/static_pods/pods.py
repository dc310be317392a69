"""The static pods of this node's control plane, as the configuration has them, before and after the user's patches."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pykubeadm.manifests.static_pod import Pod
from pykubeadm.phases.patching import patched
from pykubeadm.phases.run import ClusterRun
from pykubeadm.workflow.phase import Changes


def apiserver(run: ClusterRun) -> Pod:
    from pykubeadm.manifests.apiserver import apiserver_pod

    node = run.configuration.this_node
    return apiserver_pod(run.configuration.cluster, node.local_api_endpoint, node.timeouts, run.host, run.note)


def controller_manager(run: ClusterRun) -> Pod:
    from pykubeadm.manifests.controller_manager import controller_manager_pod
    from pykubeadm.phases.ca import uses_external_ca

    configuration = run.configuration
    return controller_manager_pod(
        configuration.cluster, configuration.this_node.timeouts, run.host, external_ca=uses_external_ca(run)
    )


def scheduler(run: ClusterRun) -> Pod:
    from pykubeadm.manifests.scheduler import scheduler_pod

    return scheduler_pod(run.configuration.cluster, run.configuration.this_node.timeouts, run.host)


def finished(run: ClusterRun, name: str, pod: Mapping[str, Any]) -> tuple[dict[str, Any], Changes]:
    """What the manifest of `pod` is to hold: run by its own user where the cluster wants that, with the user's patches. The
    accounts for that are made; what that changed is returned, too."""
    changes: Changes = ()
    if run.configuration.cluster.feature_gates.get("RootlessControlPlane"):
        from pykubeadm.phases.static_pods.rootless import rootless_pod

        pod, changes = rootless_pod(run, name, pod)
    return patched(run.patches, name, pod), changes
