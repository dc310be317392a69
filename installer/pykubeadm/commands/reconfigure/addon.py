"""addon: CoreDNS and kube-proxy as the new configuration has them; what users changed in them by hand stays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from pykubeadm.commands.reconfigure.run import ReconfigureRun
from pykubeadm.phases.addons.phase import addon as shared
from pykubeadm.workflow.phase import Changes, Phase

_CONFIG_MAP: Final = "ConfigMap kube-system/kube-proxy"
_RESTARTED: Final = "kubectl.kubernetes.io/restartedAt"  # as `kubectl rollout restart` writes it


def with_stored_kube_proxy(run: ReconfigureRun) -> ReconfigureRun:
    """Where the file has a KubeProxyConfiguration: with what the cluster has, beside which changes are seen."""
    from pykubeadm.phases.cluster.connection import cluster_api
    from pykubeadm.phases.cluster.stored import NotStoredError, stored_kube_proxy
    from pykubeadm.phases.replacing.run import reader_of

    if not run.configuration.kube_proxy:
        return run
    try:
        return replace(run, stored_kube_proxy=stored_kube_proxy(cluster_api(run), reader_of(run.kubeconfig_path)))
    except NotStoredError:  # it is only now to come
        return run


def _restart_kube_proxy(run: ReconfigureRun) -> Sequence[str]:
    """It reads its configuration when it starts."""
    from pykubeadm.kube.apply import retrying
    from pykubeadm.phases.cluster.connection import cluster_api

    api = cluster_api(run)
    template = {"metadata": {"annotations": {_RESTARTED: f"{run.now():%Y-%m-%dT%H:%M:%SZ}"}}}
    body = {"spec": {"template": template}}
    retrying(lambda: api.patch("apps/v1", "DaemonSet", "kube-proxy", body, "kube-system", how="merge"), api.call_timeout)
    return ["restarted kube-proxy, one node after the other"]


def _of_cluster(part: Phase[ReconfigureRun]) -> Phase[ReconfigureRun]:
    """Once, with the file: all API servers are of one version, so that nobody waits for another."""

    def when(run: ReconfigureRun) -> bool:
        return run.for_cluster and part.when(run)

    def apply(run: ReconfigureRun) -> Changes:
        changes = list(part.apply(with_stored_kube_proxy(run))) if part.apply else []
        if any(change.endswith(_CONFIG_MAP) for change in changes):
            changes += _restart_kube_proxy(run)
        return changes

    return replace(part, summary=f"Bring {part.name} to the configuration", check=None, when=when, apply=apply)


addon: Phase[ReconfigureRun] = Phase(
    name=shared.name,
    summary="Bring CoreDNS and kube-proxy to the configuration",
    phases=tuple(_of_cluster(part) for part in shared.phases),
    flags=("kubeconfig", "patches"),
)
