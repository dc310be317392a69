"""wait-control-plane: until kubelet, API server, controller manager and scheduler are healthy, or the reason why they are not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

from pykubeadm.config.section import DocumentError
from pykubeadm.constants import KUBELET_CONFIG, KUBELET_HEALTHZ_PORT
from pykubeadm.errors import PhaseError
from pykubeadm.node.port import HealthEndpoint
from pykubeadm.phases.documents import read_document
from pykubeadm.phases.run import ClusterRun
from pykubeadm.phases.static_pods.manifests import manifest_path, read_static_pod
from pykubeadm.workflow.phase import Phase

if TYPE_CHECKING:
    from pykubeadm.kube.waits import Probe

_NAME = "wait-control-plane"
_COMPONENTS = ("kube-apiserver", "kube-controller-manager", "kube-scheduler")


def wait_for_kubelet(run: ClusterRun, phase: str = _NAME) -> None:
    """Until the kubelet's healthz answers; not at all where its configuration switches healthz off. `phase` is what waits."""
    from pykubeadm.phases.waiting import wait

    url = _kubelet_healthz(run)
    if url is None:
        run.note("info", "the kubelet has healthzPort: 0, so its health is not checked", topic=phase)
        return
    wait(run, phase, {f"the kubelet at {url}": HealthEndpoint(url)}, run.configuration.this_node.timeouts.kubelet_health_check)


def wait_for_api_server(run: ClusterRun, phase: str, timeout: timedelta) -> None:
    """Until the one on this node is healthy."""
    from pykubeadm.phases.waiting import wait

    name = "kube-apiserver"
    wait(run, phase, {name: _endpoints(run, (name,))[name]}, timeout, components=("etcd", name))


def wait_for_components(run: ClusterRun) -> None:
    """Until the static pods' health endpoints answer, side by side."""
    from pykubeadm.phases.static_pods.restart import healthy_again
    from pykubeadm.phases.waiting import probe, wait

    asked = _endpoints(run, _COMPONENTS)
    targets: dict[str, Probe | HealthEndpoint] = {**asked}
    for name in run.replaced:
        targets[name] = partial(healthy_again, run, name, probe(run.node, asked[name]) if name in asked else lambda: None)
    timeout = run.configuration.this_node.timeouts.control_plane_component_health_check
    etcd = () if run.configuration.cluster.etcd.external else ("etcd",)
    wait(run, _NAME, targets, timeout, components=(*etcd, *_COMPONENTS))


def _verify(run: ClusterRun) -> None:
    wait_for_kubelet(run)
    wait_for_components(run)


def _endpoints(run: ClusterRun, components: Sequence[str]) -> dict[str, HealthEndpoint]:
    from pykubeadm.kube.health import control_plane_endpoints
    from pykubeadm.phases.cluster.connection import health_endpoint

    pods = _static_pods(run, components)
    endpoints = control_plane_endpoints(pods, run.configuration.this_node.local_api_endpoint.advertise_address)
    trusted = health_endpoint(run, "")
    return {
        endpoint.component: replace(trusted, url=endpoint.url)
        if endpoint.component == "kube-apiserver"
        else HealthEndpoint(endpoint.url)
        for endpoint in endpoints
    }


def _static_pods(run: ClusterRun, components: Sequence[str]) -> dict[str, Mapping[str, Any]]:
    pods: dict[str, Mapping[str, Any]] = {}
    for name in components:
        command = f"`pykubeadm init phase control-plane {name.removeprefix('kube-')}`"
        try:
            pod = read_static_pod(run.node, name)
        except PhaseError as error:
            raise PhaseError(f"{error}; make it again with {command}") from error
        if pod is None:
            raise PhaseError(f"{manifest_path(name)} does not exist; make it with {command}")
        pods[name] = pod
    return pods


def _kubelet_healthz(run: ClusterRun) -> str | None:
    flags = {arg.name: arg.value for arg in run.configuration.this_node.node_registration.kubelet_extra_args}
    address, port = _healthz_in_file(run)
    address = flags.get("healthz-bind-address") or address or "127.0.0.1"
    port = flags.get("healthz-port") or port
    if not port.isdecimal():
        raise PhaseError(f'the kubelet\'s flag healthz-port is "{port}", which is not a port')
    host = f"[{address}]" if ":" in address else address
    return f"http://{host}:{port}/healthz" if int(port) else None


def _healthz_in_file(run: ClusterRun) -> tuple[str, str]:
    """Address, "" where there is none, and port by the kubelet's configuration."""
    settings = read_document(run.node, KUBELET_CONFIG)
    try:
        if settings is None:
            return "", str(KUBELET_HEALTHZ_PORT)
        return settings.text("healthzBindAddress"), str(settings.number("healthzPort", KUBELET_HEALTHZ_PORT))
    except DocumentError as error:
        raise PhaseError(f"{KUBELET_CONFIG} {error}") from error


wait_control_plane: Phase[ClusterRun] = Phase(
    name=_NAME, summary="Wait until the control plane is healthy", verify=_verify, unchanged="healthy"
)
