"""What `doctor` says of the addresses of pods and the routes to those of other nodes, where they are of our bridge network."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

import pytest

from pykubeadm.commands.doctor.check import examine
from pykubeadm.commands.doctor.here import Here
from pykubeadm.commands.doctor.node_checks import CHECKS
from pykubeadm.errors import ApiError, NodeError
from pykubeadm.kubeconfig.document import build_kubeconfig
from pykubeadm.node.port import Completed
from pykubeadm.util.kube_object import KubeObject
from tests.support.node import FakeNode, completed
from tests.support.servers import ca_pem, serving

NOW = datetime(2026, 5, 1, tzinfo=UTC)
PODS = "the pods of w1 (10.244.1.0/24)"
NOWHERE = "blackhole 10.244.1.0/24"
FILE = "/etc/pykubeadm/routes"
RESTART = "systemctl restart pykubeadm-routes.service"
NODE_NETWORK = {"dst": "10.0.0.0/24", "dev": "eth0", "protocol": "kernel", "scope": "link", "prefsrc": "10.0.0.1", "flags": []}
DEFAULT = {"dst": "default", "gateway": "10.0.0.254", "dev": "eth0", "flags": []}
TO_W1 = {"dst": "10.244.1.0/24", "gateway": "10.0.0.2", "dev": "eth0", "flags": []}
TO_W2 = {"dst": "10.244.2.0/24", "gateway": "10.0.0.3", "dev": "eth0", "flags": []}
OWN = {"dst": "10.244.0.0/24", "dev": "cni0", "protocol": "kernel", "scope": "link", "prefsrc": "10.244.0.1", "flags": []}

BY_THE_CLOUD = {"type": "NetworkUnavailable", "status": "False", "reason": "RouteCreated"}


def member(name: str, cidrs: Sequence[str], *addresses: str, **status: Any) -> KubeObject:
    """A Node, as the API gives it."""
    spec = {"podCIDR": cidrs[0], "podCIDRs": [*cidrs]} if cidrs else {}
    listed = [{"type": "InternalIP", "address": address} for address in addresses]
    listed.append({"type": "Hostname", "address": name})
    return {"metadata": {"name": name}, "spec": spec, "status": {"addresses": listed, **status}}


CP = member("cp", ["10.244.0.0/24"], "10.0.0.1")
W1 = member("w1", ["10.244.1.0/24"], "10.0.0.2")
W2 = member("w2", ["10.244.2.0/24"], "10.0.0.3")


def route(node: FakeNode, *routes: dict[str, Any], version: int = 4) -> None:
    """Have the kernel hold these."""
    node.commands[f"ip -j -{version} route show"] = completed(json.dumps(routes))


@pytest.fixture
def node() -> FakeNode:
    """A control plane, with routes to two workers."""
    found = FakeNode()
    found.put("/proc/sys/kernel/hostname", "CP\n")
    found.put("/etc/cni/net.d/10-bridge.conflist", json.dumps({"plugins": [{"type": "bridge"}]}))
    found.put(FILE, "# Written.\nroute replace 10.244.1.0/24 via 10.0.0.2\nroute replace 10.244.2.0/24 via 10.0.0.3\n")
    route(found, DEFAULT, NODE_NETWORK, OWN, TO_W1, TO_W2)
    return found


def said(
    node: FakeNode,
    *nodes: KubeObject,
    listed: Callable[[], Sequence[KubeObject]] | None = None,
    name: str = "node/pod-routes",
) -> list[str]:
    """ "level: what was found -> what to run" of every remark."""
    checks = [check for check in CHECKS if check.name == name]
    here = Here(node, NOW, listed or (lambda: nodes))
    return [f"{remark.level}: {remark.found} -> {remark.run}" for each in examine(checks, here) for remark in each.remarks]


def bridge(node: FakeNode, *subnets: str) -> None:
    """Have these in the configuration that the runtime goes by, as role cni writes it."""
    ipam = {"type": "host-local", "ranges": [[{"subnet": subnet}] for subnet in subnets]}
    node.put("/etc/cni/net.d/10-bridge.conflist", json.dumps({"plugins": [{"type": "bridge", "ipam": ipam}]}))


def said_of_addresses(node: FakeNode, *cidrs: str) -> list[str]:
    """Of a worker, whose Node its kubelet may read: the API server knows it with these."""
    with serving() as server:
        server.answers = [(200, json.dumps(member("w1", cidrs, "10.0.0.2")).encode())]
        user = {"cluster": "kubernetes", "user": "system:node:w1", "ca": ca_pem(), "certificate": b"", "key": b""}
        node.put("/etc/kubernetes/kubelet.conf", build_kubeconfig(server=f"https://{server.endpoint}", **user))
        found = said(node, name="node/pod-addresses")
    assert set(server.asked) <= {"/api/v1/nodes/w1"}
    return found


@pytest.mark.parametrize(
    "cidrs", [["10.244.1.0/24"], ["10.244.0.0/23"], ["10.244.1.0/24", "fd01:0:0:1::/64"], ["fd01:0:0:1::/64"], []]
)
def test_addresses_that_the_node_is_given(node: FakeNode, cidrs: list[str]) -> None:
    bridge(node, "10.244.1.0/24")
    assert said_of_addresses(node, *cidrs) == []


def test_a_node_that_was_created_again_with_other_addresses(node: FakeNode) -> None:
    bridge(node, "10.244.1.0/24", "fd01:0:0:1::/64")
    assert said_of_addresses(node, "10.244.3.0/24", "fd01:0:0:1::/64") == [
        (
            "problem: pods of this node get addresses of 10.244.1.0/24, but its Node is given 10.244.3.0/24, as after it was"
            " deleted and created again: other nodes do not reach these pods, or reach another node's in their place"
            " -> `pykubeadm cluster apply`, or the playbook pykubeadm.kube.bridge with"
            " cni_pod_cidrs: [10.244.3.0/24, fd01:0:0:1::/64]; then restart this machine, whose bridge and pods keep their"
            " addresses until then"
        )
    ]


def test_addresses_that_are_nobodys_to_compare(node: FakeNode) -> None:
    """Of a bridge without a list of ours, of a machine that is no node, and where no API server answers."""
    assert said_of_addresses(node, "10.244.3.0/24") == []
    bridge(node, "10.244.1.0/24")
    [unanswered] = said(node, name="node/pod-addresses")
    assert unanswered.startswith("note: the addresses of this node's pods were not compared with those that its Node is given: ")
    node.remove(["/etc/kubernetes/kubelet.conf"])
    assert said(node, name="node/pod-addresses") == []
    node.remove([FILE])
    assert said_of_addresses(node, "10.244.3.0/24") == []


def test_routes_that_are_all_there(node: FakeNode) -> None:
    assert said(node, CP, W1, W2) == []


def test_a_route_that_the_kernel_does_not_have(node: FakeNode) -> None:
    """Whether the node is ready does not matter: it may be for that very reason that it is not."""
    route(node, DEFAULT, NODE_NETWORK, OWN, TO_W2)
    waiting = member("w1", ["10.244.1.0/24"], "10.0.0.2", conditions=[{"type": "Ready", "status": "Unknown"}])
    assert said(node, CP, waiting, W2) == [
        f"problem: there is no route to the pods of w1 (10.244.1.0/24), which should lead to 10.0.0.2 -> {RESTART}"
    ]


def test_a_route_that_goes_down_with_its_interface_is_none(node: FakeNode) -> None:
    route(node, TO_W1 | {"flags": ["dead", "linkdown"]}, TO_W2)
    assert [line.partition(",")[0] for line in said(node, CP, W1, W2)] == [
        "problem: there is no route to the pods of w1 (10.244.1.0/24)"
    ]


def test_a_node_that_the_file_does_not_know_yet(node: FakeNode) -> None:
    assert said(node, CP, W1, W2, member("w3", ["10.244.3.0/24"], "10.0.0.4")) == [
        (
            "problem: there is no route to the pods of w3 (10.244.3.0/24), which should lead to 10.0.0.4"
            " -> `pykubeadm cluster apply`, or the playbook pykubeadm.kube.bridge with this route in cni_routes; until then:"
            " ip route replace 10.244.3.0/24 via 10.0.0.4"
        ),
    ]


@pytest.mark.parametrize(
    "others",
    [
        pytest.param((), id="single node"),
        pytest.param((member("w3", [], "10.0.0.4"),), id="no podCIDR yet"),
        pytest.param((member("w3", ["10.244.3.0/24"], "10.0.0.4", conditions=[BY_THE_CLOUD]),), id="routes of the cloud"),
    ],
)
def test_nodes_to_whose_pods_no_route_is_needed(node: FakeNode, others: tuple[KubeObject, ...]) -> None:
    node.commands.clear()
    assert said(node, CP, *others) == []


def test_routes_to_nodes_that_are_gone_are_in_nobodys_way(node: FakeNode) -> None:
    assert said(node, CP, W1) == []


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (
            {"gateway": "10.0.0.77", "dev": "eth0"},
            f"warning: packets to {PODS} go by 10.0.0.77, and should go to 10.0.0.2",
        ),
        (
            {"gateway": "10.0.0.3", "dev": "eth0"},
            f"problem: packets to {PODS} go by 10.0.0.3 (w2), and should go to 10.0.0.2",
        ),
        (
            {"nexthops": [{"gateway": "10.0.0.2", "dev": "eth0"}, {"gateway": "10.0.0.3", "dev": "eth0"}]},
            f"problem: packets to {PODS} go by 10.0.0.2 (w1) and 10.0.0.3 (w2), and should go to 10.0.0.2",
        ),
        (
            {"via": {"family": "inet6", "host": "fd00::9"}, "dev": "eth0"},
            f"warning: packets to {PODS} go by fd00::9, and should go to 10.0.0.2",
        ),
        (
            {"dev": "cni0", "scope": "link"},
            f"problem: packets to {PODS} stay on the interface cni0 of this node, and should go to 10.0.0.2",
        ),
        (
            {"type": "blackhole"},
            f"problem: packets to {PODS} are refused by a route of this node ({NOWHERE}) -> ip route delete {NOWHERE};",
        ),
    ],
)
def test_a_route_that_leads_elsewhere(node: FakeNode, found: dict[str, Any], expected: str) -> None:
    astray = {"dst": "10.244.1.0/24", "flags": [], **found}
    remark = f"{expected} {RESTART}" if "->" in expected else f"{expected} -> {RESTART}"
    route(node, DEFAULT, astray, TO_W2)
    assert said(node, CP, W1, W2) == [remark]
    # Of two routes to the same pods the one with the lower metric counts.
    route(node, DEFAULT, TO_W1, astray | {"metric": 100}, TO_W2)
    assert said(node, CP, W1, W2) == []
    route(node, DEFAULT, astray, TO_W1 | {"metric": 100}, TO_W2)
    assert said(node, CP, W1, W2) == [remark]


def test_routes_to_parts_of_a_nodes_pods(node: FakeNode) -> None:
    """As a network plugin leaves them behind that was there before."""
    left = {"type": "blackhole", "dst": "10.244.1.64/26", "flags": []}
    pod = {"dst": "10.244.2.5", "dev": "calic0ffee", "scope": "link", "flags": []}
    good = {"dst": "10.244.2.128/25", "gateway": "10.0.0.3", "dev": "eth0", "flags": []}
    route(node, DEFAULT, TO_W1, TO_W2, left, pod, good)
    assert said(node, CP, W1, W2) == [
        (
            "problem: packets to 10.244.1.64/26 of the pods of w1 (10.244.1.0/24) are refused by a route of this node"
            " (blackhole 10.244.1.64/26) -> ip route delete blackhole 10.244.1.64/26; systemctl restart pykubeadm-routes.service"
        ),
        (
            "problem: packets to 10.244.2.5/32 of the pods of w2 (10.244.2.0/24) stay on the interface calic0ffee of this node,"
            " and should go to 10.0.0.3 -> ip route delete 10.244.2.5/32, unless somebody needs it"
        ),
    ]


@pytest.mark.parametrize(("gateway", "missing"), [("10.0.0.2", False), ("10.0.0.254", True)])
def test_a_wider_route_counts_if_it_leads_to_the_node(node: FakeNode, gateway: str, *, missing: bool) -> None:
    """That to all private addresses leads to a router, which need not know pods."""
    route(node, DEFAULT, {"dst": "10.244.0.0/23", "gateway": gateway, "dev": "eth0", "flags": []}, TO_W2)
    assert ["no route to the pods of w1" in line for line in said(node, CP, W1, W2)] == ([True] if missing else [])


def test_both_families(node: FakeNode) -> None:
    other = member("w1", ["10.244.1.0/24", "fd01:0:0:1::/64"], "10.0.0.2", "fd00::2")
    alone = member("w2", ["10.244.2.0/24", "fd01:0:0:2::/64"], "10.0.0.3")
    route(node, version=6)
    assert said(node, CP, other, alone) == [
        (
            "problem: there is no route to the pods of w1 (fd01:0:0:1::/64), which should lead to fd00::2"
            " -> `pykubeadm cluster apply`, or the playbook pykubeadm.kube.bridge with this route in cni_routes; until then:"
            " ip route replace fd01:0:0:1::/64 via fd00::2"
        ),
        (
            "problem: no route can lead to the pods of w2 (fd01:0:0:2::/64): its Node has no InternalIP of that family"
            " -> on w2: give its kubelet one of each (kubeletExtraArgs: node-ip, with a comma between both)"
        ),
    ]
    route(node, {"dst": "fd01:0:0:1::/64", "gateway": "fd00::2", "dev": "eth0", "metric": 1024, "flags": []}, version=6)
    assert len(said(node, CP, other)) == 0


@pytest.mark.parametrize("change", ["another network comes first", "the bridge is somebody else's", "there is no network"])
def test_networks_that_are_somebody_elses(node: FakeNode, change: str) -> None:
    route(node, DEFAULT)
    assert len(said(node, CP, W1, W2)) == 2
    if change == "another network comes first":
        node.put("/etc/cni/net.d/05-cilium.conflist", "{}")
    elif change == "the bridge is somebody else's":
        node.remove([FILE])
    else:
        node.remove(["/etc/cni/net.d/10-bridge.conflist"])
    assert said(node, CP, W1, W2) == []


@pytest.mark.parametrize(
    ("listed", "why"), [(None, "there is no kubeconfig"), ((W1, W2), "cp is not one of them"), ((), "cp is not one of them")]
)
def test_where_the_nodes_are_not_known_the_file_counts(node: FakeNode, listed: tuple[KubeObject, ...] | None, why: str) -> None:
    """As on a worker, whose kubelet may not list Nodes, and with a kubeconfig of another cluster."""

    def ask() -> Sequence[KubeObject]:
        if listed is None:
            raise ApiError("there is no kubeconfig")
        return listed

    [note] = said(node, listed=ask)
    assert note == (
        f"note: the routes were compared with {FILE} alone, not with the cluster's Nodes: {why}"
        " -> with a kubeconfig that may list Nodes: pykubeadm doctor --kubeconfig FILE"
    )
    route(node, DEFAULT, TO_W2)
    assert said(node, listed=ask)[1:] == [
        (
            "problem: there is no route to the pods of the node at 10.0.0.2 (10.244.1.0/24), which should lead to 10.0.0.2"
            " -> systemctl restart pykubeadm-routes.service"
        ),
    ]


def test_the_node_is_known_by_the_name_that_its_kubelet_has(node: FakeNode) -> None:
    user = {"cluster": "kubernetes", "user": "system:node:w1", "ca": b"", "certificate": b"", "key": b""}
    node.put("/etc/kubernetes/kubelet.conf", build_kubeconfig(server="https://10.0.0.1:6443", **user))
    route(node, DEFAULT, TO_W2)
    assert [line.partition(",")[0] for line in said(node, CP, W1, W2)] == [
        "problem: there is no route to the pods of cp (10.244.0.0/24)"
    ]


@pytest.mark.parametrize("answer", [completed("", 1, "no"), completed("x"), completed()])
def test_routes_that_cannot_be_read_are_not_missing(node: FakeNode, answer: Completed) -> None:
    node.commands["ip -j -4 route show"] = answer
    assert said(node, CP, W1) == ["unknown: the routes for IPv4 could not be read: `ip -j -4 route show` gives none -> "]


def test_a_kubeconfig_of_the_kubelet_that_may_not_be_read(node: FakeNode, monkeypatch: pytest.MonkeyPatch) -> None:
    read = node.read

    def refused(path: str) -> bytes | None:
        if path.endswith("kubelet.conf"):
            raise NodeError("permission denied")
        return read(path)

    monkeypatch.setattr(node, "read", refused)
    assert said(node, CP, W1, W2) == []
