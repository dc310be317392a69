"""The addresses under which the API server is reached (kubeadm: util/endpoint.go)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pykubeadm.util.ip import join_host_port, parse_ip, split_host_port

if TYPE_CHECKING:
    from pykubeadm.config.model import APIEndpoint, Configuration


def local_url(endpoint: APIEndpoint) -> str:
    """This node's own API server, "https://10.0.0.9:6443"; IPv6 addresses in brackets and in their short form."""
    address = parse_ip(endpoint.advertise_address)
    return f"https://{join_host_port(str(address or endpoint.advertise_address), endpoint.bind_port)}"


def control_plane_url(configuration: Configuration) -> str:
    """controlPlaneEndpoint, with bindPort where it names no port; this node's own API server where there is none."""
    local = configuration.this_node.local_api_endpoint
    if not configuration.cluster.control_plane_endpoint:
        return local_url(local)
    host, port = split_host_port(configuration.cluster.control_plane_endpoint)
    return f"https://{join_host_port(host, port or local.bind_port)}"
