"""Restarts control-plane components that read their files only when they start, one after the other."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from pykubeadm.kube.waits import Probe
from pykubeadm.node.cri import Cri, CrictlMissingError
from pykubeadm.node.diagnose import newest_container, runs_since
from pykubeadm.phases.run import ClusterRun
from pykubeadm.phases.static_pods.manifests import read_static_pod
from pykubeadm.phases.waiting import wait
from pykubeadm.workflow.phase import Changes


def restart_components(run: ClusterRun, components: Sequence[str], *, phase: str, await_health: bool = True) -> Changes:
    """Have the kubelet start each of `components` again, and go on to the next when it is healthy. What does not run anyway
    is only waited for. PhaseError where one does not become healthy."""
    changes: list[str] = []
    for component in components:
        if read_static_pod(run.node, component) is None:
            continue
        began = run.now().timestamp()
        stopped = _stop(run, component)
        if stopped:
            changes.append(f"restarted {component}")
        if await_health:
            _await(run, component, phase, since=began if stopped else None)
    return changes


def _stop(run: ClusterRun, component: str) -> bool:
    cri = Cri(run.node, run.configuration.this_node.node_registration.cri_socket)
    try:
        container = newest_container(cri.containers(), component)
        if container is None or container.state != "running":
            return False
        cri.stop(container)
    except CrictlMissingError as error:
        run.note("warning", f"{component} was not restarted and goes on with its old certificate: {error}", topic="certs")
        return False
    return True


def _await(run: ClusterRun, component: str, phase: str, *, since: float | None) -> None:
    timeout = run.configuration.this_node.timeouts.control_plane_component_health_check
    wait(run, phase, {component: partial(_look, run, component, since)}, timeout, components=(component,))


def _look(run: ClusterRun, component: str, since: float | None) -> str | None:
    socket = run.configuration.this_node.node_registration.cri_socket
    if since is not None and not runs_since(run.node, socket, component, since):
        return "the kubelet has not started it again yet"
    return component_health(run, component)()


def component_health(run: ClusterRun, component: str) -> Probe:
    """One look at the component's health endpoint. Its certificate is not looked at: it may be what is being replaced."""
    from pykubeadm.kube.health import control_plane_endpoints, probe
    from pykubeadm.pki.tls import unverified_context

    pod = read_static_pod(run.node, component)
    address = run.configuration.this_node.local_api_endpoint.advertise_address
    endpoints = control_plane_endpoints({component: pod} if pod else {}, address)
    return partial(probe, endpoints[0].url, unverified_context()) if endpoints else lambda: None
