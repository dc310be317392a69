"""addon: CoreDNS and kube-proxy as the new configuration has them; what users changed in them by hand stays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final

from pykubeadm.commands.reconfigure.run import ReconfigureRun
from pykubeadm.phases.addons.phase import addon as shared
from pykubeadm.workflow.phase import Changes, Phase

_CONFIG_MAP: Final = ("v1", "ConfigMap", "kube-proxy")
_TO_RESTART: Final = "pykubeadm.kube/to-restart"  # annotation of the ConfigMap
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


def _mark(run: ReconfigureRun) -> None:
    """Where its ConfigMap is about to change: that kube-proxy is to be restarted, which a run that is killed would forget."""
    from pykubeadm.kube.apply import retrying
    from pykubeadm.phases.addons.rendered import kube_proxy_rendered, updates
    from pykubeadm.phases.cluster.connection import cluster_api
    from pykubeadm.phases.cluster.state import look_at

    api = cluster_api(run)
    for update in updates(api, run, kube_proxy_rendered(run, look_at(api))):
        if update.changes and update.live is not None and update.wanted["kind"] == "ConfigMap":
            body = {"metadata": {"annotations": {_TO_RESTART: "true"}}}
            retrying(lambda: api.patch(*_CONFIG_MAP, body, "kube-system", how="merge"), api.call_timeout)  # noqa: B023 - called at once


def _restart_if_marked(run: ReconfigureRun) -> Sequence[str]:
    """It reads its configuration when it starts."""
    from pykubeadm.kube.apply import retrying
    from pykubeadm.phases.cluster.connection import cluster_api

    api = cluster_api(run)
    found = retrying(lambda: api.get(*_CONFIG_MAP, "kube-system"), api.call_timeout, settling=False) or {}
    if _TO_RESTART not in ((found.get("metadata") or {}).get("annotations") or {}):
        return ()
    template = {"metadata": {"annotations": {_RESTARTED: f"{run.now():%Y-%m-%dT%H:%M:%SZ}"}}}
    body: dict[str, Any] = {"spec": {"template": template}}
    retrying(lambda: api.patch("apps/v1", "DaemonSet", "kube-proxy", body, "kube-system", how="merge"), api.call_timeout)
    done = {"metadata": {"annotations": {_TO_RESTART: None}}}
    retrying(lambda: api.patch(*_CONFIG_MAP, done, "kube-system", how="merge"), api.call_timeout)
    return ["restarted kube-proxy, one node after the other"]


def _is_left_out(run: ReconfigureRun, name: str) -> bool:
    """Whether the cluster does without the add-on though its configuration does not say so, as after `init --skip-phases addon`,
    or with a network that takes kube-proxy's place: a change of something else shall not bring it. A file asks for it that no
    longer disables it, or has a configuration for it."""
    from pykubeadm.phases.addons.rendered import is_missing
    from pykubeadm.phases.cluster.connection import cluster_api
    from pykubeadm.phases.cluster.state import look_at

    was_disabled = run.stored.dns.disabled if name == "coredns" else run.stored.proxy.disabled
    is_given = name == "kube-proxy" and bool(run.configuration.kube_proxy)
    if was_disabled or is_given or not is_missing(look_at(cluster_api(run)), name):
        return False
    field = "dns.disabled" if name == "coredns" else "proxy.disabled"
    run.note(
        "info",
        f"the cluster has no {name}, and gets none: set {field}: true, so that upgrades do not bring it either, or make it with "
        f"`pykubeadm init phase addon {name}`",
        topic=f"addon/{name}",
    )
    return True


def _of_cluster(part: Phase[ReconfigureRun]) -> Phase[ReconfigureRun]:
    """Once, with the file: all API servers are of one version, so that nobody waits for another."""

    def when(run: ReconfigureRun) -> bool:
        return run.for_cluster and part.when(run)

    def apply(run: ReconfigureRun) -> Changes:
        if _is_left_out(run, part.name):
            return ()
        run = with_stored_kube_proxy(run)
        if part.name != "kube-proxy":
            return part.apply(run) if part.apply else ()
        _mark(run)
        return [*(part.apply(run) if part.apply else ()), *_restart_if_marked(run)]

    return replace(part, summary=f"Bring {part.name} to the configuration", check=None, when=when, apply=apply)


addon: Phase[ReconfigureRun] = Phase(
    name=shared.name,
    summary="Bring CoreDNS and kube-proxy to the configuration",
    phases=tuple(_of_cluster(part) for part in shared.phases),
    flags=("kubeconfig", "patches"),
)
