"""Takes the cluster's interfaces, packet filter rules and virtual services off the node."""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Iterator
from typing import Any, Final

from pykubeadm.commands.reset import netfilter
from pykubeadm.commands.reset.run import ResetRun
from pykubeadm.errors import NodeError

# bridge, flannel, kube-proxy's ipvs mode, node-local DNS, Calico, Cilium
_INTERFACES: Final = frozenset(
    {
        "cni0",
        "flannel.1",
        "flannel-v6.1",
        "kube-ipvs0",
        "nodelocaldns",
        "vxlan.calico",
        "vxlan-v6.calico",
        "wireguard.cali",
        "wg-v6.cali",
    }
)
_PREFIXES: Final = ("cali", "cilium_", "lxc_health", "veth-cni")
_PROXY_INTERFACE: Final = "kube-ipvs0"
_SAVES: Final = ("iptables", "ip6tables", "iptables-legacy", "ip6tables-legacy", "iptables-nft", "ip6tables-nft")
_MISSING: Final = 127


def remove_interfaces(run: ResetRun) -> Iterator[str]:
    """Interfaces by their names; what was routed through them goes with them."""
    for name in _interfaces(run):
        run.node.run(("ip", "link", "delete", name), summary=f"delete interface {name}")
        yield f"deleted interface {name}"


def remove_rules(run: ResetRun) -> Iterator[str]:
    """Virtual services first: which of them are kube-proxy's, its interface tells."""
    yield from _remove_services(run)
    yield from _remove_chains(run)
    yield from _remove_nft_tables(run)
    yield from _remove_sets(run)


def _interfaces(run: ResetRun) -> list[str]:
    names = [str(link.get("ifname")) for link in _ip(run, "link", "show")]
    return [name for name in names if name in _INTERFACES or name.startswith(_PREFIXES)]


def _ip(run: ResetRun, *arguments: str) -> list[dict[str, Any]]:
    done = run.node.run(("ip", "-json", *arguments), summary="look at interfaces", changes=False, check=False)
    try:
        found = json.loads(done.stdout or "[]") if done.status == 0 else []
    except ValueError:
        found = []
    return [link for link in found if isinstance(link, dict)]


def _remove_chains(run: ResetRun) -> Iterator[str]:
    """Of each variant of iptables that is installed: kube-proxy uses the one it thinks the node uses."""
    for command in _SAVES:
        saved = run.node.run((f"{command}-save",), summary="look at the packet filter", changes=False, check=False)
        restored = netfilter.removals(saved.stdout) if saved.status == 0 else ""
        if not restored:
            continue
        run.node.run(
            (f"{command}-restore", "--noflush", "--wait", "10"),
            summary=f"delete {'; '.join(netfilter.described(restored))}",
            stdin=restored.encode(),
        )
        yield f"deleted the cluster's {restored.count(chr(10) + '-X ')} chains of {command}"


def _remove_nft_tables(run: ResetRun) -> Iterator[str]:
    listed = run.node.run(("nft", "list", "tables"), summary="look at the packet filter", changes=False, check=False)
    for family, name in netfilter.nft_tables(listed.stdout) if listed.status == 0 else ():
        run.node.run(("nft", "delete", "table", family, name), summary=f"delete nftables' table {family} {name}")
        yield f"deleted nftables' table {family} {name}"


def _remove_sets(run: ResetRun) -> Iterator[str]:
    listed = run.node.run(("ipset", "list", "-name"), summary="look at IP sets", changes=False, check=False)
    for name in netfilter.sets(listed.stdout) if listed.status == 0 else ():
        run.node.run(("ipset", "destroy", name), summary=f"delete IP set {name}")
        yield f"deleted IP set {name}"


def _remove_services(run: ResetRun) -> Iterator[str]:
    """kube-proxy's virtual services: those at an address of its interface, and, for NodePorts, at the node's own addresses."""
    addresses = _addresses(run, _PROXY_INTERFACE)
    if not addresses:
        return
    saved = run.node.run(("ipvsadm", "--save", "--numeric"), summary="look at virtual services", changes=False, check=False)
    if saved.status == _MISSING:
        if (run.node.read("/proc/net/ip_vs") or b"").count(b"\n") > 3:
            raise NodeError("kube-proxy's virtual services stay: there is no ipvsadm; install it and run this again")
        return
    ours = addresses | _addresses(run, "")
    for line in saved.stdout.splitlines():
        words = line.split()
        if words[:1] == ["-A"] and len(words) > 2 and _host(words[2]) in ours:
            run.node.run(("ipvsadm", "--delete-service", words[1], words[2]), summary=f"delete virtual service {words[2]}")
            yield f"deleted virtual service {words[2]}"


def _addresses(run: ResetRun, interface: str) -> set[str]:
    """The addresses of an interface, of all where it is ""."""
    links = _ip(run, "address", "show", *(("dev", interface) if interface else ()))
    return {str(info.get("local")) for link in links for info in link.get("addr_info") or () if info.get("local")}


def _host(service: str) -> str:
    host = service.rpartition(":")[0].strip("[]")
    try:
        return str(ipaddress.ip_address(host))
    except ValueError:
        return host
