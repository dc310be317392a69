"""Names, resolvers, firewalls, MTU, and whose rules are in netfilter."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from typing import Final

from pykubeadm.commands.doctor.check import Check, Remark, warning
from pykubeadm.commands.doctor.here import Here
from pykubeadm.commands.doctor.preflight import remarks_of
from pykubeadm.constants import API_SERVER_PORT, KUBELET_PORT
from pykubeadm.phases.preflight.network import firewalld, hostname, resolv_conf

_OF_PODS: Final = re.compile(r"cni|cali|cilium|flannel|vxlan|veth|weave")
_CHAINS: Final = re.compile(r"^:KUBE-", re.MULTILINE)
_SAVED: Final = ("iptables-nft-save", "iptables-legacy-save", "ip6tables-nft-save", "ip6tables-legacy-save")
# Straight in a chain that every packet to this node or through it comes by.
_REFUSING: Final = re.compile(r"^-A (?:INPUT|FORWARD) (?:.* )?-j (?:DROP|REJECT)\b.*", re.MULTILINE)
# What neither nodes nor pods need: packets of no connection, of one sender, for the loopback interface, other protocols.
_NARROW: Final = re.compile(r"INVALID| -s \S+/(?:32|128)\b| -d (?:127\.|::1)| -p (?:ipv6-)?icmp| -i lo\b| --sports? ")
_PORTS: Final = re.compile(r" --dports? (\S+)")
_FORWARDED: Final = re.compile(r"^-A FORWARD .*", re.MULTILINE)
# Of those that hand packets on: Docker's and kube-proxy's let no packet of a pod's first through, answers are no first ones.
_OF_OTHERS: Final = re.compile(r"-j (?:DOCKER|KUBE-|DROP|REJECT|RETURN|LOG)|docker0| br-[0-9a-f]{12}\b|ESTABLISHED")


def _resolver(here: Here) -> Iterable[Remark]:
    configured = here.kubelet_config.get("resolvConf")
    return remarks_of(resolv_conf(None if configured is None else str(configured)), here)


def _name(here: Here) -> Iterable[Remark]:
    return remarks_of(hostname(here.machine.host.hostname.lower()), here)


def _firewall(here: Here) -> Iterable[Remark]:
    ports = [KUBELET_PORT, *((API_SERVER_PORT,) if "kube-apiserver" in here.static_pods else ())]
    yield from remarks_of(firewalld(ports), here)
    for program in _SAVED:
        command = program.removesuffix("-save")
        rules = here.ask(program).partition("*filter\n")[2].partition("\nCOMMIT")[0]
        for rule in _REFUSING.findall(rules):
            if _concerns(rule, ports):
                yield warning(
                    f"a rule of this node's packet filter ({command}) refuses packets: {rule}",
                    f"let other nodes to port {' and '.join(map(str, ports))} and pods to each other before it, or remove it:"
                    f" {command} -D {rule.removeprefix('-A ')}",
                )
        if ":FORWARD DROP" in rules and all(_OF_OTHERS.search(rule) for rule in _FORWARDED.findall(rules)):
            yield warning(
                f"this node's packet filter ({command}) hands on only what a rule accepts (policy DROP, as Docker sets it), and"
                " none accepts the packets of pods",
                f"{command} -P FORWARD ACCEPT, or a rule for the pods' network; most network plugins add one",
            )


def _concerns(rule: str, ports: Sequence[int]) -> bool:
    """Whether a rule may refuse what nodes or pods need of each other."""
    if _NARROW.search(rule):
        return False
    if (found := _PORTS.search(rule)) is None or rule.startswith("-A FORWARD"):
        return found is None  # ports of pods are their users'
    ranges = [part.partition(":") for part in found[1].split(",")]
    return any(int(low) <= port <= int(high or low) for low, _, high in ranges for port in ports)


def _mtu(here: Here) -> Iterable[Remark]:
    """Interfaces of pods must not send more than the way out takes."""
    try:
        links = json.loads(here.ask("ip", "-j", "link") or "[]")
        routes = json.loads(here.ask("ip", "-j", "route", "show", "default") or "[]")
        sizes = {link["ifname"]: int(link["mtu"]) for link in links}
    except (ValueError, KeyError, TypeError):
        return
    way_out = next((sizes[route["dev"]] for route in routes if route.get("dev") in sizes), None)
    if way_out is None:
        return
    for name, size in sizes.items():
        if _OF_PODS.match(name) and size > way_out:
            yield warning(
                f"the MTU of {name} is {size}, that of the way out only {way_out}: large packets of pods are lost",
                "set the MTU in the network plugin's configuration, and start the pods again",
            )
            return


def _rules(here: Here) -> Iterable[Remark]:
    """Chains of Kubernetes in both of iptables' back ends: each sees only its own, and the kernel goes by all."""
    with_chains = [name for name in ("iptables-legacy-save", "iptables-nft-save") if _CHAINS.search(here.ask(name))]
    if len(with_chains) > 1:
        yield warning(
            "Kubernetes' rules are in iptables' old tables and in nftables, too: an earlier cluster or another program left some",
            "restart the node, or remove the KUBE- chains of the one that kube-proxy does not use",
        )


CHECKS: Final = (
    Check(
        "node/resolver", "pods get this node's name servers; one on the loopback interface makes CoreDNS ask itself", _resolver
    ),
    Check("node/host-name", "components look up the node's name", _name),
    Check("node/firewall", "nodes have to reach each other's ports, and pods each other", _firewall),
    Check("node/mtu", "large packets are lost where pods may send more than the way out takes", _mtu),
    Check("node/netfilter", "rules in two places contradict each other", _rules),
)
