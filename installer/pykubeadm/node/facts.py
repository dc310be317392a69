"""What `config.host.HostFacts` holds, found out from a node. Reads files of /proc and /sys; at most one command (`ip`)."""

from __future__ import annotations

import ipaddress
import json
import re
import socket
from collections.abc import Iterator, Mapping
from itertools import pairwise

from pykubeadm.config.host import CA_DIRECTORIES, HostFacts
from pykubeadm.constants import CRI_SOCKETS
from pykubeadm.errors import NodeError
from pykubeadm.node.local import LocalNode
from pykubeadm.node.port import Command, Looked, Node

_VERSION = re.compile(r"\s*Kubernetes (v\d+\.\d+\.\d+(?:[-+][0-9A-Za-z.+-]+)?)\s*")

_SOCKETS = tuple(url.removeprefix("unix://") for url in CRI_SOCKETS)
_RESOLVED = "/run/systemd/resolve/resolv.conf"
_CGROUP_V2 = "/sys/fs/cgroup/cgroup.controllers"
_HOSTNAME, _ROUTES, _ROUTES6 = "/proc/sys/kernel/hostname", "/proc/net/route", "/proc/net/ipv6_route"
_KERNELS = (_HOSTNAME, _ROUTES, _ROUTES6)
_ADDRESSES = Command.look_up(("ip", "-j", "addr"), "list addresses")

# Interface name → its addresses in the kernel's order.
Interfaces = Mapping[str, tuple[str, ...]]


def host_facts(node: Node) -> HostFacts:
    """What configuration and phases have to know of the machine.

    For a file tree (--rootfs) what the kernel knows (name, addresses, cgroups) is the machine's, the rest the tree's.
    """
    environment = node.route.environment
    tree = node.ahead(read=_KERNELS, stat=(*_SOCKETS, *CA_DIRECTORIES, _RESOLVED, _CGROUP_V2), run=(_ADDRESSES,))
    machine = LocalNode() if isinstance(node, LocalNode) else tree
    interfaces = _interfaces(machine)
    return HostFacts(
        hostname=_hostname(machine),
        default_ipv4=_default_ipv4(machine, interfaces),
        default_ipv6=_default_ipv6(machine, interfaces),
        loopback=next((address for version in (4, 6) for address in _loopback(interfaces) if _usable(address, version)), None),
        addresses=frozenset(address for addresses in interfaces.values() for address in addresses),
        cri_sockets=tuple(url for url, path in zip(CRI_SOCKETS, _SOCKETS, strict=True) if _is_socket(tree, path)),
        resolved_active=_resolved_runs(tree),
        ca_directories=tuple(path for path in CA_DIRECTORIES if _exists(tree, path)),
        proxy_env={name: value for name, value in environment.items() if value and name.lower().endswith("_proxy")},
        cgroup_version=_cgroup_version(machine),
    )


def kubelet_version(node: Node, program: str = "kubelet") -> str | None:
    """As `kubelet --version` says ("v1.36.2"), which takes 50 to 100 ms; None where there is no kubelet that says so."""
    completed = node.run(Command.look_up((program, "--version"), "ask for the kubelet's version"))
    match = _VERSION.fullmatch(completed.stdout) if completed.status == 0 else None
    return match[1] if match else None


def _hostname(node: Looked) -> str:
    name = (node.read(_HOSTNAME) or b"").decode(errors="replace")
    return name.strip() or socket.gethostname()


def _is_socket(node: Looked, path: str) -> bool:
    # /var/run is a link to /run, so the last part alone is never one
    try:
        found = node.stat(path)
    except NodeError:  # in a directory that only root may look into: preflight says what users must be
        return False
    return found is not None and found.kind == "socket"


def _exists(node: Looked, path: str) -> bool:
    return node.stat(path) is not None


def _resolved_runs(node: Looked) -> bool:
    # the file outlives a stopped service, and asking systemd costs a command
    return _exists(node, _RESOLVED) and node.unit("systemd-resolved").active == "active"


def _cgroup_version(node: Looked) -> int:
    return 2 if node.stat(_CGROUP_V2) is not None else 1


def _interfaces(node: Looked) -> Interfaces:
    completed = node.run(_ADDRESSES)
    if completed.status == 0:
        try:
            return {
                link["ifname"]: tuple(item["local"] for item in link.get("addr_info", ()) if "local" in item)
                for link in json.loads(completed.stdout or "[]")
                if "ifname" in link
            }
        except (ValueError, TypeError, KeyError):
            pass  # an `ip` without JSON (busybox): the kernel's own tables say the same
    return _interfaces_of_proc(node)


def _interfaces_of_proc(node: Looked) -> Interfaces:
    """IPv4 addresses are those the routing table calls local, each given to the interface with its subnet's route."""
    found: dict[str, list[str]] = {}
    subnets = [(route[0], network) for route in _routes(node) if (network := _subnet(route)) is not None and network.prefixlen]
    trie = _text(node, "/proc/net/fib_trie").splitlines()
    for above, line in pairwise(trie):
        if "/32 host LOCAL" in line and "|--" in above:
            address = ipaddress.IPv4Address(above.split("|--")[1].strip())
            name = next((name for name, network in subnets if address in network), "lo" if address.is_loopback else "")
            if str(address) not in found.setdefault(name, []):
                found[name].append(str(address))
    for line in _text(node, "/proc/net/if_inet6").splitlines():
        digits, *_, name = line.split()
        found.setdefault(name, []).append(str(ipaddress.IPv6Address(int(digits, 16))))
    return {name: tuple(addresses) for name, addresses in found.items()}


def _default_ipv4(node: Looked, interfaces: Interfaces) -> str | None:
    """The first global unicast address of the interface of the first default route that has one, or else of the loopback one:
    where routers find this machine by BGP, the others may have link-local addresses alone (RFC 5549)."""
    defaults = [route for route in _routes(node) if route[1] == "00000000" and route[7] == "00000000" and int(route[3], 16) & 1]
    for route in sorted(defaults, key=lambda route: int(route[6])):
        for address in (*interfaces.get(route[0], ()), *_loopback(interfaces)):
            if _usable(address, 4):
                return address
    return None


def _loopback(interfaces: Interfaces) -> tuple[str, ...]:
    """Addresses of the loopback interface; the kernel's tables name no interface for one that is no subnet's."""
    return (*interfaces.get("lo", ()), *interfaces.get("", ()))


def _default_ipv6(node: Looked, interfaces: Interfaces) -> str | None:
    """As for IPv4; /proc/net/ipv6_route: destination, its prefix length, source, …, metric (5), flags (8), interface (9)."""
    routes = [line.split() for line in _text(node, _ROUTES6).splitlines()]
    defaults = [
        route
        for route in routes
        # RTF_REJECT (0x200) marks the kernel's own "unreachable" entry
        if len(route) == 10 and int(route[0], 16) == 0 and route[1] == "00" and not int(route[8], 16) & 0x200
    ]
    for route in sorted(defaults, key=lambda route: int(route[5], 16)):
        for address in (*interfaces.get(route[9], ()), *_loopback(interfaces)):
            if _usable(address, 6):
                return address
    return None


def _usable(address: str, version: int) -> bool:
    """Go's net.IP.IsGlobalUnicast, which kubeadm asks for: neither loopback, link-local, multicast nor unspecified."""
    ip = ipaddress.ip_address(address)
    if ip.version != version:
        return False
    return not (ip.is_loopback or ip.is_link_local or ip.is_multicast or ip.is_unspecified)


def _routes(node: Looked) -> Iterator[list[str]]:
    """/proc/net/route: interface, destination, gateway, flags, reference count, use, metric, mask, … (hexadecimal)."""
    for line in _text(node, _ROUTES).splitlines()[1:]:
        fields = line.split()
        if len(fields) >= 8:
            yield fields


def _subnet(route: list[str]) -> ipaddress.IPv4Network | None:
    if route[2] != "00000000":
        return None
    destination, mask = (int.from_bytes(bytes.fromhex(field), "little") for field in (route[1], route[7]))
    return ipaddress.IPv4Network((destination, mask.bit_count()), strict=False)


def _text(node: Looked, path: str) -> str:
    return (node.read(path) or b"").decode(errors="replace")
