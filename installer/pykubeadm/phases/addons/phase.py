"""addon: CoreDNS and kube-proxy, once all API servers have the version (kubeadm: phases/upgrade/postupgrade.go)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING

from pykubeadm.phases.replacing.run import ReplacingRun
from pykubeadm.workflow.phase import Changes, Phase

if TYPE_CHECKING:
    from pykubeadm.kube.port import Api
    from pykubeadm.phases.addons.rendered import Rendered
    from pykubeadm.phases.cluster.state import ClusterState

_LEASE = "pykubeadm-upgrade-addons"
_FLAGS = ("config", "kubeconfig", "dry-run")


def _why_not(run: ReplacingRun) -> str | None:
    """Others still have the old version: add-ons of the new one may need what only a new API server has. This node's manifest
    counts, not its pod in the API, which is renewed later than what runs. Where an image does not say which version it is of, all
    are to have this node's (kubeadm: phases/upgrade/postupgrade.go)."""
    from pykubeadm.config.versions import parse_version
    from pykubeadm.phases.cluster.connection import cluster_api
    from pykubeadm.phases.cluster.state import image_of, image_version, look_at
    from pykubeadm.phases.replacing.components import API_SERVER
    from pykubeadm.phases.static_pods.manifests import read_static_pod

    if run.dry_run:  # which shows what comes once all are upgraded
        return None
    images, wanted = look_at(cluster_api(run)).images(API_SERVER), parse_version(run.target).release
    if (own := read_static_pod(run.node, API_SERVER)) is not None:
        images[run.node_name] = image_of(own, API_SERVER)

    def is_behind(image: str) -> bool:
        version = image_version(image)
        return image != images.get(run.node_name) if version is None else version != wanted

    others = sorted(node for node, image in images.items() if is_behind(image))
    return f"left to the last control plane that is upgraded: {', '.join(others)} is not at {run.target} yet" if others else None


def _coredns(run: ReplacingRun) -> Changes:
    from pykubeadm.phases.addons.rendered import coredns_rendered, dns_choice

    def render(state: ClusterState) -> Sequence[Rendered]:
        choice = dns_choice(run, state)
        if choice is not None and choice.reason:
            run.note("warning", choice.reason, topic="addon/coredns")
        return coredns_rendered(run, state)

    return _apply(run, render)


def _kube_proxy(run: ReplacingRun) -> Changes:
    from pykubeadm.phases.addons.rendered import kube_proxy_rendered

    return _apply(run, lambda state: kube_proxy_rendered(run, state))


def _apply(run: ReplacingRun, render: Callable[[ClusterState], Sequence[Rendered]]) -> Changes:
    """Looked at again under the Lease: another control plane may just have done it."""
    from pykubeadm.phases.addons.applying import apply_updates
    from pykubeadm.phases.addons.rendered import updates
    from pykubeadm.phases.cluster.connection import cluster_api
    from pykubeadm.phases.cluster.state import look_at

    api = cluster_api(run)
    with _alone(run, api):
        return apply_updates(api, lambda: updates(api, run, render(look_at(api))))


def _alone(run: ReplacingRun, api: Api) -> AbstractContextManager[object]:
    from pykubeadm.kube.lease import held
    from pykubeadm.workflow.events import Waiting

    if run.dry_run:
        return nullcontext()

    def report(reason: str) -> None:
        run.emit(Waiting(phase="addon", target="the add-ons", reason=reason))

    return held(api, _LEASE, run.node_name, timeout=run.configuration.this_node.timeouts.upgrade_manifests, report=report)


def _is_control_plane(run: ReplacingRun) -> bool:
    return run.is_control_plane


addon: Phase[ReplacingRun] = Phase(
    name="addon",
    summary="Upgrade CoreDNS and kube-proxy once every control plane is upgraded",
    flags=(*_FLAGS, "patches"),
    phases=(
        Phase(
            name="coredns",
            summary="Upgrade CoreDNS",
            check=_why_not,
            apply=_coredns,
            when=lambda run: _is_control_plane(run) and not run.configuration.cluster.dns.disabled,
            flags=(*_FLAGS, "patches"),
        ),
        Phase(
            name="kube-proxy",
            summary="Upgrade kube-proxy",
            check=_why_not,
            apply=_kube_proxy,
            when=lambda run: _is_control_plane(run) and not run.configuration.cluster.proxy.disabled,
            flags=_FLAGS,
        ),
    ),
)
