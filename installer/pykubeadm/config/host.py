"""What the configuration and the manifests need to know of the machine they are for; gathered by `node.facts`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field

from pykubeadm.constants import CRI_SOCKETS
from pykubeadm.util.dataclass import dataclass

# Host directories with CA certificates that the API server and the controller manager mount where they exist,
# beside /etc/ssl/certs, which they always mount (kubeadm: phases/controlplane/volumes.go).
CA_DIRECTORIES = (
    "/etc/pki/ca-trust",
    "/etc/pki/tls/certs",
    "/etc/ca-certificates",
    "/usr/share/ca-certificates",
    "/usr/local/share/ca-certificates",
)


@dataclass(frozen=True, slots=True)
class HostFacts:
    """One machine, as found. Addresses are text without a prefix length; `None` where there is none."""

    hostname: str
    default_ipv4: str | None = None  # address of the interface with the default route
    default_ipv6: str | None = None
    loopback: str | None = None  # address on the loopback interface that other nodes can reach, IPv4 before IPv6
    addresses: frozenset[str] = frozenset()  # every address of every interface
    cri_sockets: tuple[str, ...] = ()  # known runtime sockets that exist, as URLs ("unix:///var/run/…")
    resolved_active: bool = False  # systemd-resolved runs, so kubelet takes /run/systemd/resolve/resolv.conf
    ca_directories: tuple[str, ...] = ()  # those of CA_DIRECTORIES that exist
    proxy_env: Mapping[str, str] = field(default_factory=dict)  # *_proxy variables of the environment, any case
    cgroup_version: int = 2


# For reading a file whatever machine it is for.
ANY_HOST = HostFacts(hostname="node", default_ipv4="1.2.3.4", cri_sockets=CRI_SOCKETS[:1])
