"""Addresses and URLs of etcd and of the loopback, IPv4 and IPv6 (kubeadm: util/etcd/etcd.go)."""

from __future__ import annotations

from pykubeadm.config.model import APIEndpoint
from pykubeadm.constants import ETCD_CLIENT_PORT, ETCD_PEER_PORT
from pykubeadm.util.ip import join_host_port


def loopback(endpoint: APIEndpoint) -> str:
    """The loopback address of the family of the advertise address."""
    return "::1" if ":" in endpoint.advertise_address else "127.0.0.1"


def etcd_client_url(host: str) -> str:
    return f"https://{join_host_port(host, ETCD_CLIENT_PORT)}"


def etcd_peer_url(host: str) -> str:
    return f"https://{join_host_port(host, ETCD_PEER_PORT)}"
