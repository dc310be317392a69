"""Fleets for unit tests: files, and facts of machines and of their cluster."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from pykubeadm.config.defaults import CONTROL_PLANE_TAINT
from pykubeadm.config.fleet import Cluster, Fleet, Host, LoadBalancer, Network
from pykubeadm.config.model import ClusterConfiguration, Configuration
from pykubeadm.config.versions import NEWEST_KNOWN
from pykubeadm.fleet.facts import ClusterFacts, EtcdMember, Facts, NodeFacts, NodeObject
from pykubeadm.fleet.plan import Plan
from pykubeadm.fleet.planning import make_plan

CA = "ca-of-the-cluster"
BALANCER = {"address": "", "port": 6443, "interface": "", "prefix": 32}
DIGESTS = {"node": "n1", "load-balancer": "b1", "network": "w1"}


def host(name: str, *parts: str, **more: Any) -> Host:
    return Host(name=name, address=f"10.0.0.{len(name)}{ord(name[-1]) % 10}", parts=parts or ("worker",), **more)


def fleet(*hosts: Host, plugin: str = "none", endpoint: str = "api.example.com:6443", version: str = NEWEST_KNOWN) -> Fleet:
    cluster = Cluster(hosts=hosts, network=Network(plugin=plugin), load_balancer=LoadBalancer())
    kubeadm = ClusterConfiguration(kubernetes_version=version, control_plane_endpoint=endpoint)
    return Fleet(cluster, Configuration(kubeadm), names_version=True, describes_cluster=True)


def bare(name: str, **more: Any) -> NodeFacts:
    """A machine with nothing on it."""
    return replace(NodeFacts(name, address="10.0.0.1", missing={"runtime": "no container runtime"}), **more)


def ready(name: str, **more: Any) -> NodeFacts:
    """A machine that was prepared and is in no cluster."""
    return replace(NodeFacts(name, address="10.0.0.1", prepared=dict(DIGESTS)), **more)


def worker(name: str, **more: Any) -> NodeFacts:
    """One that has joined."""
    return replace(ready(name, joined=True, has_state=True, ca=CA), **more)


def control_plane(name: str, **more: Any) -> NodeFacts:
    return replace(worker(name, control_plane=True), **more)


def unreachable(name: str) -> NodeFacts:
    return NodeFacts(name, error=f"{name} cannot be reached", gone=True)


def node(name: str, **more: Any) -> NodeObject:
    """Control planes, which are called c1, c2 and so on, have their taint."""
    taints = (CONTROL_PLANE_TAINT.document(),) if name.startswith("c") else ()
    return replace(NodeObject(name, ready=True, version=NEWEST_KNOWN, pod_cidrs=("10.244.0.0/24",), taints=taints), **more)


def cluster(seed: str, *nodes: NodeObject, members: tuple[EtcdMember, ...] = (), **more: Any) -> ClusterFacts:
    stored = ClusterConfiguration(kubernetes_version=NEWEST_KNOWN, control_plane_endpoint="api.example.com:6443").document()
    found = ClusterFacts(seed, CA, NEWEST_KNOWN, {each.name: each for each in nodes}, members, stored=stored)
    return replace(found, **more)


def member(number: int, name: str, **more: Any) -> EtcdMember:
    return replace(EtcdMember(number, name), **more)


def plan_of(
    described: Fleet,
    *nodes: NodeFacts,
    found: ClusterFacts | None = None,
    limit: tuple[str, ...] = (),
    silence: Mapping[str, str] | None = None,
) -> Plan:
    hosts = [each for each in described.cluster.hosts if not limit or each.name in limit]
    digests = {each.name: DIGESTS for each in described.cluster.hosts}
    return make_plan(described, Facts({each.name: each for each in nodes}, found, silence or {}), digests, hosts)


def said(plan: Plan) -> list[str]:
    """The plan in short: "kind host"."""
    return [f"{action.kind} {action.host}" for action in plan.actions]


def grouped(*groups: str, part: str = "") -> dict[str, Any]:
    """What an inventory says of a host's part."""
    return {"groups": list(groups), "firewall_part": part}


def every_word(*groups: str, **more: Any) -> dict[str, Any]:
    """What playbooks/inventory.yml says of a host."""
    words = dict.fromkeys(("user", "identity_file", "ssh_args", "become_password", "kubelet_version", "manifest", "runtime"), "")
    ways = {"connection": "ssh", "address": "10.0.0.1", "port": 0, "host": {}}
    balancer = {f"load_balancer_{name}": value for name, value in BALANCER.items()}
    rest: dict[str, Any] = {"network": "none", "pod_cidrs": [], "names": []}
    return grouped(*(groups or ("control_planes",))) | words | ways | balancer | rest | more
