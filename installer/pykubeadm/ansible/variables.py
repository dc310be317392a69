"""The roles' variables, all of them, from the cluster configuration. roles/*/meta/argument_specs.yml says what each one means."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal

from pykubeadm.ansible.assets import NODE_FOLDER, Assets
from pykubeadm.config.defaults import NO_ADDRESS
from pykubeadm.config.model import Arg, Configuration
from pykubeadm.config.versions import pause_image
from pykubeadm.manifests.kubelet import starts_with_swap
from pykubeadm.util.socket_url import socket_path

Part = Literal["control-plane", "worker"]

CONTAINERD_SOCKET = "/run/containerd/containerd.sock"
CRIO_SOCKET = "/run/crio/crio.sock"
# What never goes through a proxy, whatever the cluster.
_DIRECT = ("localhost", "127.0.0.1", "::1", ".svc")


def node_variables(
    configuration: Configuration,
    *,
    part: Part = "control-plane",
    assets: Assets | None = None,
    proxy_env: Mapping[str, str] | None = None,
    addresses: Iterable[str] = (),
) -> dict[str, Any]:
    """Variables for nodes of this cluster. `proxy_env` are *_proxy variables in any case; `addresses` are more names and
    addresses that no proxy shall be asked for. The configuration's Kubernetes version must be resolved."""
    assets = assets or Assets()
    cluster, kubelet = configuration.cluster, configuration.kubelet
    version = cluster.kubernetes_version.removeprefix("v")
    systemd_cgroup = kubelet.get("cgroupDriver", "systemd") == "systemd"
    proxies = _proxies(proxy_env or {})
    no_proxy = proxies.pop("no_proxy", "")
    direct = no_proxy_list(configuration, no_proxy.split(","), addresses)
    environment = {**proxies, "no_proxy": ",".join(direct)} if proxies else {}
    socket = _socket(configuration)
    runtime_proxy = (
        {"http": proxies.get("http_proxy", ""), "https": proxies.get("https_proxy", ""), "no_proxy": direct} if proxies else {}
    )
    pause = pause_image(cluster)
    return {
        "prepare_runtime": _runtime(socket),
        **_kernel(configuration),
        "cgroups_kubelet_version": version,
        "cgroups_driver": "systemd" if systemd_cgroup else "cgroupfs",
        "cgroups_allow_v1": kubelet.get("failCgroupV1") is False,
        "cgroups_swap": swap_for(kubelet, configuration.this_node.node_registration.kubelet_extra_args),
        "cgroups_slices": _slices(kubelet),
        "firewall_part": part,
        "firewall_api_port": configuration.this_node.local_api_endpoint.bind_port,
        "firewall_ports": _extra_ports(configuration, part),
        "firewall_networks": _split(cluster.networking.pod_subnet),
        "containerd_sandbox_image": pause,
        "containerd_systemd_cgroup": systemd_cgroup,
        "containerd_controller_folder": assets.archives,
        "containerd_proxy": runtime_proxy,
        "containerd_environment": environment,
        "crio_version": ".".join(version.split(".")[:2]),
        "crio_pause_image": pause,
        "crio_systemd_cgroup": systemd_cgroup,
        "crio_proxy": runtime_proxy,
        "crio_environment": environment,
        **_cni_plugins(assets),
        "cni_environment": environment,
        "kubelet_version": version,
        "kubelet_controller_folder": assets.programs,
        "kubelet_cri_socket": socket,
        "kubelet_environment": environment,
        "images_archives": sorted({f"{NODE_FOLDER}/images", assets.images} - {""}),
        "images_pinned": [pause],
        "images_socket": socket,
    }


def swap_for(kubelet: Mapping[str, Any], arguments: Sequence[Arg]) -> str:
    """What the role cgroups is to do about swap, for a kubelet with this configuration and these flags."""
    return "kept" if starts_with_swap(kubelet, arguments) else "disabled"


def no_proxy_list(configuration: Configuration, given: Iterable[str], addresses: Iterable[str]) -> list[str]:
    """NO_PROXY for everything on a node: what the user has, the cluster's networks and names, the control plane's endpoint."""
    cluster = configuration.cluster
    endpoint = _host(cluster.control_plane_endpoint)
    found = [
        *(entry.strip() for entry in given),
        *_DIRECT,
        f".{cluster.networking.dns_domain}",
        *_split(cluster.networking.service_subnet),
        *_split(cluster.networking.pod_subnet),
        endpoint,
        configuration.this_node.local_api_endpoint.advertise_address,
        *addresses,
    ]
    return list(dict.fromkeys(entry for entry in found if entry not in ("", NO_ADDRESS)))


def _proxies(environment: Mapping[str, str]) -> dict[str, str]:
    """Lower-case names; where both spellings are set the lower-case one counts, as for curl."""
    found = {name.lower(): value for name, value in sorted(environment.items()) if value}
    return {name: found[name] for name in ("http_proxy", "https_proxy", "no_proxy") if name in found}


def _kernel(configuration: Configuration) -> dict[str, Any]:
    networks = [*_split(configuration.cluster.networking.service_subnet), *_split(configuration.cluster.networking.pod_subnet)]
    families = [name for name, mark in (("ipv4", "."), ("ipv6", ":")) if any(mark in network for network in networks)]
    return {
        "kernel_proxy_mode": configuration.kube_proxy.get("mode") or "iptables",
        "kernel_ip_families": families or ["ipv4"],
    }


def _slices(kubelet: Mapping[str, Any]) -> list[str]:
    """The slices that kubeReservedCgroup and systemReservedCgroup name; the kubelet refuses to start without them."""
    paths = (str(kubelet.get(key) or "") for key in ("kubeReservedCgroup", "systemReservedCgroup"))
    names = {path.rstrip("/").rpartition("/")[2] for path in paths}
    return sorted(name for name in names if name.endswith(".slice") and name != "system.slice")


def _cni_plugins(assets: Assets) -> dict[str, Any]:
    if not assets.cni_version:
        return {"cni_plugins_source": "package"}
    return {
        "cni_plugins_source": "archive",
        "cni_plugins_version": assets.cni_version,
        "cni_plugins_controller_folder": assets.archives,
    }


def _extra_ports(configuration: Configuration, part: Part) -> list[str]:
    """A control plane without taints runs pods, so node ports are open on it as on a worker."""
    if part == "control-plane" and configuration.this_node.node_registration.taints == ():
        return ["10256/tcp", "30000-32767/tcp", "30000-32767/udp"]
    return []


def _socket(configuration: Configuration) -> str:
    """The runtime's socket as a path; /var/run is /run."""
    path = socket_path(configuration.this_node.node_registration.cri_socket) or CONTAINERD_SOCKET
    return "/run/" + path.removeprefix("/var/run/") if path.startswith("/var/run/") else path


def _runtime(socket: str) -> str:
    """The runtime that the roles install; "none" for one that they do not know (cri-dockerd)."""
    return {CONTAINERD_SOCKET: "containerd", CRIO_SOCKET: "crio"}.get(socket, "none")


def _split(networks: str) -> list[str]:
    return [network.strip() for network in networks.split(",") if network.strip()]


def _host(endpoint: str) -> str:
    """The endpoint without its port: api.example.com:6443 → api.example.com, [fd00::1]:6443 → fd00::1."""
    if endpoint.startswith("["):
        return endpoint[1:].partition("]")[0]
    return endpoint if endpoint.count(":") > 1 else endpoint.partition(":")[0]
