"""Checks of names, proxies, firewalls and name servers."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Sequence
from functools import partial

from pykubeadm.errors import NodeError
from pykubeadm.node.port import Command
from pykubeadm.phases.preflight.check import FINE, Check, Findings, error, warning
from pykubeadm.phases.preflight.machine import Machine
from pykubeadm.transport.proxies import proxy_for, without_password
from pykubeadm.util.ip import parse_ip

_LOOKUP_TIMEOUT = 3.0  # seconds
_SUBDOMAIN = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")  # RFC 1123
_RESOLVED = "/run/systemd/resolve/resolv.conf"


def hostname(node_name: str) -> Check:
    """The name can be a node's and leads to an address."""
    return Check("Hostname", partial(_hostname, node_name))


def firewalld(ports: Sequence[int]) -> Check:
    return Check("Firewalld", partial(_firewalld, tuple(ports)))


def http_proxy(host: str) -> Check:
    """Nothing is between this node and `host`."""
    return Check("HTTPProxy", partial(_http_proxy, host))


def http_proxy_cidr(cidr: str) -> Check:
    """Nothing is between this node and the addresses of services or pods."""
    return Check("HTTPProxyCIDR", partial(_http_proxy_cidr, cidr))


def resolv_conf(configured: str | None) -> Check:
    """Pods get name servers that they can reach. `configured` is the kubelet's resolvConf, None where it is not set."""
    return Check("ResolvConf", partial(_resolv_conf, configured))


def _hostname(name: str, machine: Machine) -> Findings:
    if len(name) > 253 or not _SUBDOMAIN.fullmatch(name):
        return warning(
            f"the node name {name!r} is not a DNS name of small letters, digits, '-' and '.'; choose one with --node-name"
        )
    try:
        answer = machine.node.run(Command.look_up(("getent", "ahosts", name), "look up a name", timeout=_LOOKUP_TIMEOUT))
    except NodeError:
        return warning(f"looking up the host name {name!r} took more than {_LOOKUP_TIMEOUT:g} s; add it to /etc/hosts or DNS")
    if answer.status in (0, 127):  # 127: no getent here
        return FINE
    return warning(f"the host name {name!r} does not resolve; add it to /etc/hosts or DNS")


def _firewalld(ports: Sequence[int], machine: Machine) -> Findings:
    if machine.node.unit("firewalld").active != "active":
        return FINE
    opened = " ".join(f"--add-port={port}/tcp" for port in ports)
    return warning(
        f"firewalld is active; other nodes cannot reach this one before `firewall-cmd --permanent {opened}` and a reload"
    )


def _http_proxy(host: str, machine: Machine) -> Findings:
    proxy = proxy_for(host, machine.host.proxy_env)
    if not proxy:
        return FINE
    return warning(
        f"connections to {host} go through the proxy {without_password(proxy)}; add {host} to NO_PROXY if it should not"
    )


def _http_proxy_cidr(cidr: str, machine: Machine) -> Findings:
    try:
        network = ipaddress.ip_network(cidr, strict=False)
    except ValueError:
        return error(f"{cidr!r} is not a subnet such as 10.96.0.0/12")
    first = network[1] if network.num_addresses > 1 else network[0]
    proxy = proxy_for(str(first), machine.host.proxy_env)
    if not proxy:
        return FINE
    return warning(
        f"connections to {cidr} use the proxy {without_password(proxy)}; add {cidr} to NO_PROXY, or services and pods fail"
    )


def _resolv_conf(configured: str | None, machine: Machine) -> Findings:
    path = configured if configured is not None else _RESOLVED if machine.host.resolved_active else "/etc/resolv.conf"
    if not path:
        return FINE
    content = machine.node.read(path)
    if content is None:
        return warning(
            f"{path}, from which pods get their name servers, does not exist; set resolvConf in the KubeletConfiguration"
        )
    servers = re.findall(r"^\s*nameserver\s+(\S+)", content.decode(errors="replace"), re.MULTILINE)
    loopback = [server for server in servers if (address := parse_ip(server)) is not None and address.is_loopback]
    if not loopback:
        return FINE
    return warning(
        f"the name server {loopback[0]} in {path} is this node's own; CoreDNS would ask itself and stop"
        " (Loop detected): set resolvConf in the KubeletConfiguration to a file with the real name servers (https://coredns.io/plugins/loop/#troubleshooting)"
    )
