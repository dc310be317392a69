"""The static pod that all control-plane components share (kubeadm: util/staticpod/utils.go)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import field
from math import ceil
from typing import Any

from pykubeadm.config.model import Arg, EnvVar, HostPathMount, Timeouts
from pykubeadm.manifests.arguments import last_value
from pykubeadm.resources import render
from pykubeadm.util.api_types import canonical
from pykubeadm.util.dataclass import dataclass

Pod = dict[str, Any]

_STARTUP_PERIOD = 10  # seconds


@dataclass(frozen=True, slots=True)
class Mount:
    """A path of the node in the container. `path_type` is a hostPath type ("DirectoryOrCreate")."""

    name: str
    host_path: str
    mount_path: str
    read_only: bool = True
    path_type: str = "DirectoryOrCreate"


@dataclass(frozen=True, slots=True)
class Health:
    """Where the component's health end points listen. `host` "" is the pod's own address. A path "" means no such probe."""

    host: str
    port: int
    live: str
    ready: str
    started: str
    scheme: str = "HTTPS"


@dataclass(frozen=True, slots=True)
class Component:
    """What differs between the static pods."""

    name: str
    image: str
    command: Sequence[str]
    health: Health
    mounts: Sequence[Mount]
    requests: Mapping[str, str]
    env: Sequence[EnvVar] = ()
    annotations: Mapping[str, str] = field(default_factory=dict)


def static_pod(component: Component, timeouts: Timeouts) -> Pod:
    """The manifest as a document."""
    startup_seconds = timeouts.control_plane_component_health_check.total_seconds()
    (document,) = render(
        "static-pod.yaml.j2",
        component=component,
        volumes=sorted(component.mounts, key=lambda mount: mount.name),
        env=[_environment_variable(variable) for variable in component.env],
        startup_failures=ceil(startup_seconds / _STARTUP_PERIOD),
        startup_period=_STARTUP_PERIOD,
    )
    pod: Pod = canonical("Pod", document)
    return pod


def by_name(mounts: Sequence[Mount], extra: Sequence[HostPathMount]) -> list[Mount]:
    """All mounts sorted by name; one of the user's takes the place of another of its name."""
    named = {mount.name: mount for mount in mounts}
    for mount in extra:
        named[mount.name] = Mount(mount.name, mount.host_path, mount.mount_path, mount.read_only, mount.path_type)
    return [named[name] for name in sorted(named)]


def environment(proxy_env: Mapping[str, str], extra: Sequence[EnvVar]) -> list[EnvVar]:
    """The node's proxy variables and the user's, sorted by name; the user's win."""
    named = {name: EnvVar(name=name, value=value) for name, value in proxy_env.items()}
    named |= {variable.name: variable for variable in extra}
    return [named[name] for name in sorted(named)]


def probe_host(bind_address: str) -> str:
    """Where to probe a component bound to this address; an unspecified one cannot be connected to, "" is the pod's address."""
    return "" if bind_address in ("0.0.0.0", "::") else bind_address  # noqa: S104 - compared, not bound


def bind_address_host(extra: Sequence[Arg]) -> str:
    """The probe host of a component that listens on its `bind-address` argument, 127.0.0.1 by default."""
    address = last_value(extra, "bind-address")
    return "127.0.0.1" if address is None else probe_host(address)


def _environment_variable(variable: EnvVar) -> dict[str, Any]:
    return {"name": variable.name, "value": variable.value, "valueFrom": variable.value_from}
