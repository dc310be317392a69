"""Health endpoints of the control plane: where they are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pykubeadm.constants import API_SERVER_PORT, CONTROLLER_MANAGER_PORT, SCHEDULER_PORT
from pykubeadm.util.dataclass import dataclass


@dataclass(frozen=True, slots=True)
class Endpoint:
    """`component`'s health endpoint."""

    component: str
    url: str


@dataclass(frozen=True, slots=True)
class _Component:
    name: str
    address_flag: str
    port: int
    path: str


# kubeadm: util/apiclient/wait.go. The API server is asked at the address it advertises, the others where they listen.
_COMPONENTS = (
    _Component("kube-apiserver", "advertise-address", API_SERVER_PORT, "/livez"),
    _Component("kube-controller-manager", "bind-address", CONTROLLER_MANAGER_PORT, "/healthz"),
    _Component("kube-scheduler", "bind-address", SCHEDULER_PORT, "/livez"),
)


def etcd_endpoint(pod: Mapping[str, Any]) -> Endpoint | None:
    """Where a member of etcd says whether it is ready, by the readiness probe of its static pod, else by its liveness probe; None
    where that is not an HTTP request."""
    for container in pod["spec"]["containers"]:
        for probed in (container.get("readinessProbe"), container.get("livenessProbe")):
            request = probed.get("httpGet") if isinstance(probed, dict) else None
            port = _port(container, request.get("port")) if isinstance(request, dict) else None
            if isinstance(request, dict) and port is not None:
                host = str(request.get("host") or "127.0.0.1")
                scheme, path = str(request.get("scheme") or "HTTP").lower(), request.get("path") or "/"
                return Endpoint("etcd", f"{scheme}://{f'[{host}]' if ':' in host else host}:{port}{path}")
    return None


def _port(container: Mapping[str, Any], given: object) -> int | None:
    """A probe's port, which may be the name of one of the container's (kubeadm: probe-port)."""
    if isinstance(given, int):
        return given
    ports = {port.get("name"): port.get("containerPort") for port in container.get("ports") or ()}
    found = ports.get(given)
    return found if isinstance(found, int) else None


def control_plane_endpoints(pods: Mapping[str, Mapping[str, Any]], advertise_address: str) -> tuple[Endpoint, ...]:
    """Where the components of the static pods (name → Pod document) say that they listen; those without a pod are left out."""
    found = []
    for component in _COMPONENTS:
        if component.name not in pods:
            continue
        flags = _flags(pods[component.name], component.name)
        default = advertise_address if component.name == "kube-apiserver" else "127.0.0.1"
        address = flags.get(component.address_flag) or default
        host = f"[{address}]" if ":" in address else address
        found.append(Endpoint(component.name, f"https://{host}:{flags.get('secure-port') or component.port}{component.path}"))
    return tuple(found)


def _flags(pod: Mapping[str, Any], command: str) -> dict[str, str]:
    for container in pod["spec"]["containers"]:
        words: Sequence[str] = container.get("command") or ()
        if words and words[0] == command:
            pairs = (word.lstrip("-").partition("=") for word in [*words[1:], *(container.get("args") or ())])
            return {name: value for name, _, value in pairs}
    return {}
