"""HTTP proxies of runtime, kubelet and static pods: what is in the cluster must not go through them."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Iterator, Mapping
from ipaddress import ip_network
from typing import Final
from urllib.parse import urlsplit

from pykubeadm.commands.doctor.check import Check, Remark, warning
from pykubeadm.commands.doctor.here import Here
from pykubeadm.config.model import Networking
from pykubeadm.constants import KUBERNETES_DIR
from pykubeadm.phases.documents import read_document
from pykubeadm.transport.proxies import proxy_for
from pykubeadm.util.dataclass import dataclass

_UNITS: Final = ("kubelet", "containerd", "crio")
_NAME: Final = "kubernetes.default.svc"  # as the API server calls Services, webhooks' among them


@dataclass(frozen=True, slots=True)
class _Place:
    """Something in the cluster: by any of `hosts` it is reached past the proxy."""

    title: str
    hosts: tuple[str, ...]
    port: int = 443


def _proxies(here: Here) -> Iterable[Remark]:
    for who, environment, places, remedy in _users(here):
        through = [place.title for place in places if all(proxy_for(host, environment, place.port) for host in place.hosts)]
        if through:
            unnamed = ", ".join(through)
            yield warning(f"{who} uses a proxy, and NO_PROXY does not name {unnamed}: requests there go through it", remedy)


def _users(here: Here) -> Iterator[tuple[str, Mapping[str, str], list[_Place], str]]:
    """Who may use a proxy: its name, its environment, what it must reach without one, and how its exceptions are set."""
    exceptions = "NO_PROXY=localhost,127.0.0.1,SERVICE_CIDR,POD_CIDR,NODES,.svc,.cluster.local"
    services = _services(here)
    for unit in _UNITS:
        said = here.ask("systemctl", "show", unit, "--property=Environment", "--value")
        places = [*_api_server(here), services] if unit == "kubelet" else [services]
        yield unit, _environment(shlex.split(said)), places, f"systemctl edit {unit}: {exceptions}"
    for name, pod in here.static_pods.items():
        containers = (pod.data.get("spec") or {}).get("containers") or ()
        variables = [each for container in containers for each in container.get("env") or ()]
        environment = {each["name"]: str(each.get("value") or "") for each in variables}
        remedy = f"its extraEnvs in the ClusterConfiguration, by `pykubeadm reconfigure`: {exceptions}"
        yield name, environment, [services, *_pods(here)], remedy


def _environment(words: Iterable[str]) -> dict[str, str]:
    return {name: value for name, _, value in (word.partition("=") for word in words)}


def _services(here: Here) -> _Place:
    """By the API server's flag, else by the name server that the kubelet gives to pods, else where kubeadm has them."""
    subnet = here.flags("kube-apiserver").get("service-cluster-ip-range", "")
    if not subnet and (servers := here.kubelet_config.get("clusterDNS")):
        return _Place(f"Services ({servers[0]})", (str(servers[0]), _NAME))
    subnet = subnet.partition(",")[0] or Networking.service_subnet
    return _Place(f"Services ({subnet})", (_first(subnet), _NAME))


def _pods(here: Here) -> Iterator[_Place]:
    if subnet := here.flags("kube-controller-manager").get("cluster-cidr", "").partition(",")[0]:
        yield _Place(f"pods ({subnet})", (_first(subnet),))


def _first(subnet: str) -> str:
    network = ip_network(subnet, strict=False)
    return str(network[min(1, network.num_addresses - 1)])


def _api_server(here: Here) -> Iterator[_Place]:
    found = read_document(here.node, f"{KUBERNETES_DIR}/kubelet.conf")
    for entry in found.data["clusters"] if found else ():
        url = urlsplit(entry["cluster"]["server"])
        yield _Place(f"the API server ({url.netloc})", (url.hostname or "",), url.port or 443)


CHECKS: Final = (Check("node/proxies", "a proxy cannot reach what is inside the cluster", _proxies),)
