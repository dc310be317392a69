"""The bridge network that pykubeadm sets up: the addresses of this node's pods, and routes to those of the others."""

from __future__ import annotations

import json
import posixpath
from collections.abc import Iterable, Iterator, Mapping, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Any, Final

from pykubeadm.commands.doctor.check import Check, Remark, note, problem, unknown, warning
from pykubeadm.commands.doctor.here import Here
from pykubeadm.constants import KUBERNETES_DIR
from pykubeadm.errors import ApiError, NodeError
from pykubeadm.kube.client import ClusterApi
from pykubeadm.kube.credentials import parse_kubeconfig
from pykubeadm.node.bridge import BRIDGE_CONFIGURATION, ROUTES, ROUTES_UNIT, written_routes, written_subnets
from pykubeadm.phases.cluster.found import node_name
from pykubeadm.util.dataclass import dataclass
from pykubeadm.util.kube_object import KubeObject

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network
_BY_THE_CLOUD: Final = "RouteCreated"  # the reason that its route controller gives for NetworkUnavailable=False
_KUBELET_CONF: Final = f"{KUBERNETES_DIR}/kubelet.conf"


@dataclass(frozen=True, slots=True)
class _Target:
    """Pods of another node: `whose` they are, and the node's addresses of their family."""

    whose: str
    network: Network
    addresses: tuple[Address, ...]

    @property
    def pods(self) -> str:
        return f"the pods of {self.whose} ({self.network})"


@dataclass(frozen=True, slots=True)
class _Route:
    """`refuses` is the kind of a route that ends here ("blackhole"), "" of others; `via` are the gateways."""

    network: Network
    refuses: str
    via: frozenset[Address]
    interface: str
    metric: int


def _is_ours(here: Here) -> bool:
    """Other networks have ways of their own, and so has a bridge that somebody else configured."""
    return here.network_configurations[:1] == (posixpath.basename(BRIDGE_CONFIGURATION),) and here.node.stat(ROUTES) is not None


def _pod_addresses(here: Here) -> Iterable[Remark]:
    """The bridge keeps the addresses that it was given when it was written, whatever the Node gets when it is created again."""
    subnets = [ip_network(subnet, strict=False) for subnet in written_subnets(here.node)] if _is_ours(here) else []
    try:
        given = _pod_networks(_own_node(here)) if subnets else []
    except ApiError as error:
        yield note(f"the addresses of this node's pods were not compared with those that its Node is given: {error}")
        return
    for subnet in subnets:
        networks = [network for network in given if network.version == subnet.version]
        if networks and not any(_holds(network, subnet) for network in networks):
            yield problem(
                f"pods of this node get addresses of {subnet}, but its Node is given {networks[0]}, as after it was deleted and"
                " created again: other nodes do not reach these pods, or reach another node's in their place",
                "`pykubeadm cluster apply`, or the playbook pykubeadm.kube.bridge with"
                f" cni_pod_cidrs: [{', '.join(map(str, given))}]; then restart this machine, whose bridge and pods keep their"
                " addresses until then",
            )


def _own_node(here: Here) -> KubeObject:
    """As the kubelet may read it, also on a worker; {} where this machine is none of a cluster's."""
    name, content = node_name(here.node), here.node.read(_KUBELET_CONF)
    if not name or content is None:
        return {}
    return ClusterApi(parse_kubeconfig(content, _KUBELET_CONF, here.node.read)).get("v1", "Node", name) or {}


def _routes(here: Here) -> Iterable[Remark]:
    if not _is_ours(here):
        return
    written = {ip_network(cidr): ip_address(via) for cidr, via in written_routes(here.node)}
    try:
        others = _others(here)
        targets = [target for node in others for target in _targets(node)]
    except ApiError as error:
        others, targets = [], [_Target(f"the node at {via}", network, (via,)) for network, via in written.items()]
        yield note(
            f"the routes were compared with {ROUTES} alone, not with the cluster's Nodes: {error}",
            "with a kubeconfig that may list Nodes: pykubeadm doctor --kubeconfig FILE",
        )
    owners = {address: str(node["metadata"]["name"]) for node in others for address in _addresses(node)}
    for version in (4, 6):
        wanted = [target for target in targets if target.network.version == version]
        kernels = _kernels(here, version) if wanted else []
        if kernels is None:
            yield unknown(f"the routes for IPv{version} could not be read: `ip -j -{version} route show` gives none")
            continue
        exact = {route.network: route for route in sorted(kernels, key=lambda route: -route.metric)}  # the lowest metric counts
        networks = {target.network for target in wanted}
        rest = [route for route in kernels if route.network not in networks]
        for target in wanted:
            yield from _compared(target, exact.get(target.network), rest, written.get(target.network), owners)


def _others(here: Here) -> list[KubeObject]:
    """The cluster's other Nodes. ApiError where they are not known, or this node is not one of them."""
    nodes = here.nodes()
    try:
        name = node_name(here.node)
    except NodeError:
        name = ""
    name = name or here.machine.host.hostname.lower()
    if not any(node["metadata"]["name"] == name for node in nodes):
        raise ApiError(f"{name} is not one of them")
    return [node for node in nodes if node["metadata"]["name"] != name and not _routed_by_the_cloud(node)]


def _routed_by_the_cloud(node: KubeObject) -> bool:
    conditions = (node.get("status") or {}).get("conditions") or ()
    return any(each.get("type") == "NetworkUnavailable" and each.get("reason") == _BY_THE_CLOUD for each in conditions)


def _targets(node: KubeObject) -> Iterator[_Target]:
    for network in _pod_networks(node):
        own = tuple(address for address in _addresses(node) if address.version == network.version)
        yield _Target(str(node["metadata"]["name"]), network, own)


def _pod_networks(node: KubeObject) -> list[Network]:
    """None as long as the controller manager has given the node no addresses for pods."""
    spec = node.get("spec") or {}
    return [ip_network(cidr) for cidr in spec.get("podCIDRs") or filter(None, [spec.get("podCIDR")])]


def _addresses(node: KubeObject) -> list[Address]:
    listed = (node.get("status") or {}).get("addresses") or ()
    return [ip_address(each["address"]) for each in listed if each.get("type") == "InternalIP"]


def _kernels(here: Here, version: int) -> list[_Route] | None:
    """The kernel's routes of a family; None where they cannot be read."""
    try:
        listed = json.loads(here.ask("ip", "-j", f"-{version}", "route", "show"))
    except ValueError:
        return None
    usable = (each for each in listed if each["dst"] != "default" and "dead" not in (each.get("flags") or ()))
    return [_route(each) for each in usable]


def _route(listed: Mapping[str, Any]) -> _Route:
    hops: Sequence[Mapping[str, Any]] = listed.get("nexthops") or [listed]
    gateways = (hop.get("gateway") or (hop.get("via") or {}).get("host") for hop in hops)
    kind = str(listed.get("type") or "unicast")
    return _Route(
        network=ip_network(listed["dst"], strict=False),
        refuses="" if kind == "unicast" else kind,
        via=frozenset(ip_address(gateway) for gateway in gateways if gateway),
        interface=str(listed.get("dev") or ""),
        metric=int(listed.get("metric") or 0),
    )


def _compared(
    target: _Target, own: _Route | None, rest: Sequence[_Route], written: Address | None, owners: Mapping[Address, str]
) -> Iterator[Remark]:
    """What keeps packets from `target`: that there is no route, or where its own goes, or one of `rest` to a part of it."""
    if not target.addresses:
        yield problem(
            f"no route can lead to {target.pods}: its Node has no InternalIP of that family",
            f"on {target.whose}: give its kubelet one of each (kubeletExtraArgs: node-ip, with a comma between both)",
        )
        return
    address = target.addresses[0]
    again = (
        f"systemctl restart {ROUTES_UNIT}"
        if written in target.addresses
        else f"`pykubeadm cluster apply`, or the playbook pykubeadm.kube.bridge with this route in cni_routes; until then:"
        f" ip route replace {target.network} via {address}"
    )
    if own is None and not any(_holds(route.network, target.network) and _leads_to(target, route) for route in rest):
        yield problem(f"there is no route to {target.pods}, which should lead to {address}", again)
    for route in [*([own] if own else ()), *(route for route in rest if _holds(target.network, route.network))]:
        if not _leads_to(target, route):
            yield _astray(target, route, again, owners)


def _holds(outer: Network, inner: Network) -> bool:
    """Of one family."""
    return outer.prefixlen <= inner.prefixlen and inner.network_address in outer


def _leads_to(target: _Target, route: _Route) -> bool:
    return not route.refuses and bool(route.via) and route.via <= {*target.addresses}


def _astray(target: _Target, route: _Route, again: str, owners: Mapping[Address, str]) -> Remark:
    part = "" if route.network == target.network else f"{route.network} of "
    which, address = f"packets to {part}{target.pods}", target.addresses[0]
    if route.refuses:
        refusing = f"{route.refuses} {route.network}"
        return problem(f"{which} are refused by a route of this node ({refusing})", f"ip route delete {refusing}; {again}")
    if part:
        again = f"ip route delete {route.network}, unless somebody needs it"
    if not route.via:
        return problem(f"{which} stay on the interface {route.interface} of this node, and should go to {address}", again)
    via = " and ".join(sorted(f"{each} ({owners[each]})" if each in owners else str(each) for each in route.via))
    said = f"{which} go by {via}, and should go to {address}"
    return problem(said, again) if route.via & {*owners} - {*target.addresses} else warning(said, again)


CHECKS: Final = (
    Check("node/pod-addresses", "the other nodes have routes to the addresses that its Node is given, no others", _pod_addresses),
    Check("node/pod-routes", "in a bridge network pods reach those of other nodes by routes from node to node", _routes),
)
