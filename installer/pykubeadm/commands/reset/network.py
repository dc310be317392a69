"""Takes the cluster's interfaces, routes, packet filter rules and virtual services off the node."""

from __future__ import annotations

import ipaddress
import json
import re
from collections.abc import Iterator
from functools import partial
from typing import Any, Final

from pykubeadm.commands.reset import netfilter
from pykubeadm.commands.reset.run import ResetRun, in_turn
from pykubeadm.errors import NodeError
from pykubeadm.node.bridge import BRIDGE_CONFIGURATION, ROUTES, written_routes
from pykubeadm.node.port import Command
from pykubeadm.util.dataclass import dataclass

# The bridge plugin's usual name and our role cni's; flannel; kube-proxy's ipvs mode; node-local DNS; Calico; Cilium.
_INTERFACES: Final = re.compile(
    r"cni0|flannel(-v6)?\.\d+|kube-ipvs0|nodelocaldns|vxlan(-v6)?\.calico|wireguard\.cali|wg-v6\.cali"
    r"|cali[0-9a-f]{11}|cilium_\w+|lxc_health"
)
_PROXY_INTERFACE: Final = "kube-ipvs0"
# kube-proxy uses the variant of iptables that it thinks the node uses.
_VARIANTS: Final = ("-legacy", "-nft")
_MISSING: Final = 127
_NODE_PORTS: Final = range(30000, 32768)  # kube-apiserver's --service-node-port-range, where nobody changed it


@dataclass(frozen=True, slots=True)
class Links:
    """Names of the cluster's interfaces; `shared` are those of its bridges that somebody else's containers are plugged into."""

    clusters: tuple[str, ...]
    shared: frozenset[str]


def remove_links(run: ResetRun) -> Iterator[str]:
    """Routes that our role set, then interfaces by their names; what was routed through them goes with them."""
    yield from in_turn(lambda part: part(run), (_remove_routes, _remove_interfaces))


def _remove_interfaces(run: ResetRun) -> Iterator[str]:
    links = links_of(run)
    for name in links.shared:
        run.note("warning", f"the bridge {name} and its network stay: pods or containers that no kubelet made are on it")
    yield from in_turn(partial(_delete_interface, run), [name for name in links.clusters if name not in links.shared])


def _delete_interface(run: ResetRun, name: str) -> Iterator[str]:
    try:
        run.node.run(Command(("ip", "link", "delete", name), f"delete the interface {name}"))
    except NodeError:
        if _ip(run, "link", "show", "dev", name):
            raise
        return  # gone with the other end of its pair
    yield f"deleted interface {name}"


def links_of(run: ResetRun) -> Links:
    """As they are when the kubelet's pods are gone; looked at once. In a dry run they are not gone, nor where a runtime does not
    remove them, or only just, so that others' pods are seen by the runtime alone."""
    if run.links is None:
        own, found = _own_bridge(run), _ip(run, "link", "show")
        clusters = tuple(name for link in found if _is_clusters(name := str(link.get("ifname")), own))
        bridges = {str(link.get("master")) for link in found if str(link.get("ifname")) not in clusters}
        only_ours = (run.dry_run or run.pods_remain or run.pods_went_alone) and not run.has_guests
        shared = frozenset() if only_ours else bridges & {*clusters}
        run.links = Links(clusters, frozenset(shared))
    return run.links


def _is_clusters(name: str, own_bridge: str) -> bool:
    return _INTERFACES.fullmatch(name) is not None or name == own_bridge


def _own_bridge(run: ResetRun) -> str:
    """The bridge that our role cni was asked for."""
    if run.node.stat(ROUTES) is None:
        return ""
    try:
        bridge = json.loads(run.node.read(BRIDGE_CONFIGURATION) or b"{}")["plugins"][0]["bridge"]
    except (ValueError, KeyError, IndexError, TypeError):
        return ""
    return str(bridge)


def _remove_routes(run: ResetRun) -> Iterator[str]:
    """Those to the pods of other nodes, which our role cni's unit set."""
    written = written_routes(run.node)
    if not written:
        return
    present = {
        (str(route.get("dst")), str(route.get("gateway")))
        for family in ("-4", "-6")
        for route in _ip(run, family, "route", "show")
    }
    yield from in_turn(partial(_delete_route, run), [route for route in written if route in present])


def _delete_route(run: ResetRun, route: tuple[str, str]) -> Iterator[str]:
    cidr, gateway = route
    run.node.run(Command(("ip", "route", "delete", cidr, "via", gateway), f"delete the route to {cidr}"))
    yield f"deleted the route to {cidr} via {gateway}"


def _ip(run: ResetRun, *arguments: str) -> list[dict[str, Any]]:
    done = run.node.run(Command.look_up(("ip", "-json", *arguments), "look at the network"))
    try:
        found = json.loads(done.stdout or "[]") if done.status == 0 else []
    except ValueError:
        found = []
    return [link for link in found if isinstance(link, dict)]


def remove_chains(run: ResetRun) -> Iterator[str]:
    """Of each variant of iptables that is installed. Its plain name is another one of a variant, where it has variants."""
    yield from _remove_chains_of(run, "iptables")


def remove_chains6(run: ResetRun) -> Iterator[str]:
    """The same for IPv6."""
    yield from _remove_chains_of(run, "ip6tables")


def _remove_chains_of(run: ResetRun, command: str) -> Iterator[str]:
    saved = {name: _saved(run, name) for name in (f"{command}{variant}" for variant in _VARIANTS)}
    if all(text is None for text in saved.values()):
        saved = {command: _saved(run, command)}
    shared = bool(links_of(run).shared)
    restored = {name: netfilter.removals(text, shared=shared) for name, text in saved.items() if text is not None}
    yield from in_turn(partial(_restore, run), [(name, text) for name, text in restored.items() if text])


def _saved(run: ResetRun, command: str) -> str | None:
    """What iptables-save prints; None where this iptables is not installed."""
    done = run.node.run(Command.look_up((f"{command}-save",), "look at the packet filter"))
    if done.status == _MISSING:
        return None
    return done.stdout if done.status == 0 else ""


def _restore(run: ResetRun, removal: tuple[str, str]) -> Iterator[str]:
    command, text = removal
    gone = netfilter.described(text)
    run.planned(f"{command}: {line}" for line in gone)
    argv = (f"{command}-restore", "--noflush", "--wait=10")
    run.node.run(Command(argv, f"delete the cluster's {len(gone)} rules and chains of {command}", stdin=text.encode()))
    yield f"deleted the cluster's {len(gone)} rules and chains of {command}"


def remove_nft_tables(run: ResetRun) -> Iterator[str]:
    listed = run.node.run(Command.look_up(("nft", "list", "tables"), "look at the packet filter"))
    yield from in_turn(partial(_delete_table, run), netfilter.nft_tables(listed.stdout) if listed.status == 0 else ())


def _delete_table(run: ResetRun, table: tuple[str, str]) -> Iterator[str]:
    run.node.run(Command(("nft", "delete", "table", *table), f"delete nftables' table {' '.join(table)}"))
    yield f"deleted nftables' table {' '.join(table)}"


def remove_sets(run: ResetRun) -> Iterator[str]:
    """After the rules that ask them."""
    listed = run.node.run(Command.look_up(("ipset", "list", "-name"), "look at IP sets"))
    yield from in_turn(partial(_delete_set, run), netfilter.sets(listed.stdout) if listed.status == 0 else ())


def _delete_set(run: ResetRun, name: str) -> Iterator[str]:
    run.node.run(Command(("ipset", "destroy", name), f"delete the IP set {name}"))
    yield f"deleted IP set {name}"


def remove_services(run: ResetRun) -> Iterator[str]:
    """kube-proxy's virtual services: those at an address of its interface, and NodePorts at the node's own addresses."""
    if _PROXY_INTERFACE not in links_of(run).clusters:
        return
    addresses = _addresses(run, "dev", _PROXY_INTERFACE)
    saved = run.node.run(Command.look_up(("ipvsadm", "--save", "--numeric"), "look at virtual services"))
    if saved.status == _MISSING:
        if (run.node.read("/proc/net/ip_vs") or b"").count(b"\n") > 3:  # more than the lines of its head
            raise NodeError("kube-proxy's virtual services stay: there is no ipvsadm; install it and run this again")
        return
    own = _addresses(run)
    services = [words[1:3] for line in saved.stdout.splitlines() if (words := line.split())[:1] == ["-A"] and len(words) > 2]
    ours = [
        (kind, at)
        for kind, at in services
        if (place := _place(at)) and (place[0] in addresses or (place[0] in own and place[1] in _NODE_PORTS))
    ]
    yield from in_turn(partial(_delete_service, run), ours)


def _delete_service(run: ResetRun, service: tuple[str, str]) -> Iterator[str]:
    run.node.run(Command(("ipvsadm", "--delete-service", *service), f"delete the virtual service {service[1]}"))
    yield f"deleted virtual service {service[1]}"


def _addresses(run: ResetRun, *which: str) -> set[str]:
    """The addresses of the interfaces."""
    links = _ip(run, "address", "show", *which)
    return {str(info.get("local")) for link in links for info in link.get("addr_info") or () if info.get("local")}


def _place(service: str) -> tuple[str, int] | None:
    """Address and port of "10.96.0.1:443" or "[fd00::1]:443"; None of a firewall mark."""
    host, _, port = service.rpartition(":")
    try:
        return str(ipaddress.ip_address(host.strip("[]"))), int(port)
    except ValueError:
        return None
