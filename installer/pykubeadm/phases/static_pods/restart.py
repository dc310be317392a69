"""Ends control-plane components, which read some files only when they start, and waits until they run again."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Final

from pykubeadm.errors import PhaseError
from pykubeadm.kube.waits import Probe
from pykubeadm.phases.run import ClusterRun
from pykubeadm.phases.static_pods.manifests import read_static_pod
from pykubeadm.phases.waiting import probe, wait
from pykubeadm.workflow.phase import Changes

if TYPE_CHECKING:
    from pykubeadm.node.port import Node

# The kubelet looks at manifests every 20 s at the latest (fileCheckFrequency) and gives a pod 30 s to end.
STARTED_WITHIN: Final = timedelta(seconds=60)


def restart_components(run: ClusterRun, components: Sequence[str], *, phase: str, await_health: bool = True) -> Changes:
    """Have the kubelet start each of `components` again, and go on to the next when it is healthy. What does not run anyway
    is only waited for. PhaseError where one does not become healthy."""
    changes: list[str] = []
    for component in components:
        if read_static_pod(run.node, component) is None:
            continue
        changes += [f"restarted {name}" for name in end_components(run, [component])]
        if await_health:
            _await(run, component, phase)
    return changes


def require_kubelet(node: Node) -> None:
    """PhaseError where nothing would end static pods, or start them again."""
    unit = node.unit("kubelet")
    if unit.load == "loaded" and unit.active not in ("active", "activating"):  # after a power cut it is just starting
        raise PhaseError(f"the kubelet is {unit.active}: `systemctl start kubelet` first")


def end_components(run: ClusterRun, components: Sequence[str]) -> tuple[str, ...]:
    """End those of `components` that run; the kubelet starts them again, with the files as they are by then. Returns their
    names. Warns where there is no crictl to do it with; NodeError with what the runtime said."""
    from pykubeadm.node.cri import Cri, CrictlMissingError
    from pykubeadm.node.diagnose import newest_container

    cri = Cri(run.node, run.configuration.this_node.node_registration.cri_socket)
    try:
        every = cri.containers()
    except CrictlMissingError as error:
        for component in components:
            run.note("warning", f"{component} was not restarted and continues with its old certificate: {error}", topic="certs")
        return ()
    newest = {component: newest_container(every, component) for component in components}
    running = [container for container in newest.values() if container is not None and container.state == "running"]
    for container in running:
        run.replaced[container.name] = run.now()
        cri.stop(container)
    return tuple(container.name for container in running)


def _await(run: ClusterRun, component: str, phase: str) -> None:
    timeout = run.configuration.this_node.timeouts.control_plane_component_health_check
    healthy = component_health(run, component)
    wait(run, phase, {component: partial(healthy_again, run, component, healthy)}, timeout, components=(component,))


def healthy_again(run: ClusterRun, component: str, healthy: Probe) -> str | None:
    """One look at a component that this run may have replaced: what answers right after that is still the former one. (Should
    the pod that runs be the wanted one already, as after a manifest was changed and changed back behind the kubelet's back,
    there will be no other; and after the clock was set back none seems to be newer.)"""
    from pykubeadm.node.diagnose import runs_since

    since = run.replaced.get(component)
    if since is not None and timedelta() <= run.now() - since < STARTED_WITHIN:
        socket = run.configuration.this_node.node_registration.cri_socket
        if not runs_since(run.node, socket, component, since.timestamp()):
            return "the kubelet has not started it again yet"
    return healthy()


def component_health(run: ClusterRun, component: str) -> Probe:
    """One look whether the component is ready to do its work. Its certificate is not looked at: it may be what is being
    replaced."""
    from pykubeadm.kube.health import control_plane_endpoints, etcd_endpoint
    from pykubeadm.node.port import HealthEndpoint

    pod = read_static_pod(run.node, component)
    if pod is None:
        return lambda: None
    if component == "etcd":
        endpoint = etcd_endpoint(pod)
        return probe(run.node, HealthEndpoint(endpoint.url)) if endpoint else lambda: None
    address = run.configuration.this_node.local_api_endpoint.advertise_address
    endpoints = control_plane_endpoints({component: pod}, address)
    # /readyz has what /livez has, and says no while an API server fills its caches or shuts down.
    urls = [endpoint.url.replace("/livez", "/readyz") for endpoint in endpoints]
    return probe(run.node, HealthEndpoint(urls[0])) if urls else lambda: None
