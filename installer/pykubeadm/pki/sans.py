"""Subject alternative names of the serving certificates (kubeadm: util/pkiutil/pki_helpers.go, Get…AltNames)."""

from __future__ import annotations

import re
from collections.abc import Iterable
from ipaddress import IPv4Address, IPv6Address
from typing import TYPE_CHECKING

from pykubeadm.util.dataclass import dataclass
from pykubeadm.util.ip import address_in, parse_ip, split_host_port

if TYPE_CHECKING:
    from pykubeadm.config.model import Configuration

_LABEL = "[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_DNS_NAME = re.compile(rf"(\*\.)?{_LABEL}(\.{_LABEL})*")  # RFC 1123 subdomain; "*." may lead
_LOOPBACK = (IPv4Address("127.0.0.1"), IPv6Address("::1"))


@dataclass(frozen=True, slots=True)
class Names:
    """`dns` is sorted and `ips` in kubeadm's order, both without duplicates; `ignored` is neither a DNS name nor an address."""

    dns: tuple[str, ...] = ()
    ips: tuple[IPv4Address | IPv6Address, ...] = ()
    ignored: tuple[str, ...] = ()


def names_of(texts: Iterable[str], *, dns: Iterable[str] = ()) -> Names:
    """The names among `texts`, sorted as kubeadm does, and `dns`, which are taken as they are (a node may be named like
    an address)."""
    dns_names = {name for name in dns if name}
    ips: dict[IPv4Address | IPv6Address, None] = {}
    ignored: list[str] = []
    for text in texts:
        if (address := parse_ip(text)) is not None:
            ips[address] = None
        elif len(text) <= 253 and _DNS_NAME.fullmatch(text):
            dns_names.add(text)
        else:
            ignored.append(text)
    return Names(tuple(sorted(dns_names)), tuple(ips), tuple(ignored))


def apiserver_names(configuration: Configuration) -> Names:
    node, cluster = configuration.this_node, configuration.cluster
    dns = [node.node_registration.name, "kubernetes", "kubernetes.default", "kubernetes.default.svc"]
    if cluster.networking.dns_domain:
        dns.append(f"kubernetes.default.svc.{cluster.networking.dns_domain}")
    texts = [address_in(cluster.networking.service_subnet, 1), node.local_api_endpoint.advertise_address]
    if cluster.control_plane_endpoint:
        texts.append(split_host_port(cluster.control_plane_endpoint)[0])
    return names_of([*texts, *cluster.api_server.cert_sans], dns=dns)


def etcd_server_names(configuration: Configuration) -> Names:
    local = configuration.cluster.etcd.local
    return _etcd_names(configuration, local.server_cert_sans if local else ())


def etcd_peer_names(configuration: Configuration) -> Names:
    local = configuration.cluster.etcd.local
    return _etcd_names(configuration, local.peer_cert_sans if local else ())


def _etcd_names(configuration: Configuration, extra: Iterable[str]) -> Names:
    node = configuration.this_node
    texts = [node.local_api_endpoint.advertise_address, *map(str, _LOOPBACK), *extra]
    return names_of(texts, dns=(node.node_registration.name, "localhost"))


def covers(dns: Iterable[str], wanted: str) -> bool:
    """Whether a certificate for `dns` is good for the host `wanted` (RFC 6125: "*" stands for one whole first label)."""
    wanted = wanted.lower().rstrip(".")
    first, _, rest = wanted.partition(".")
    accepted = {wanted} if first == "*" or not rest else {wanted, f"*.{rest}"}
    return any(name.lower().rstrip(".") in accepted for name in dns)
