"""What the tests of `join` share: first control planes by either tool, join commands, and a pod network over several nodes."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import yaml

from lab import assets, cluster
from lab.cluster import kubectl_json
from lab.machine import Machine
from lab.node import Node
from tests.e2e.conftest import NewNode

T = TypeVar("T")
IGNORED = [f"--ignore-preflight-errors={','.join(cluster.ignored_checks())}"] if cluster.ignored_checks() else []
ETCD = (
    "etcdctl", "--command-timeout=40s", "--endpoints=https://localhost:2379", "--cacert=/etc/kubernetes/pki/etcd/ca.crt",
    "--cert=/etc/kubernetes/pki/etcd/healthcheck-client.crt", "--key=/etc/kubernetes/pki/etcd/healthcheck-client.key",
)  # fmt: skip


def first_control_plane(
    new_node: NewNode, kubernetes: assets.Assets, name: str, *, tool: str = "pykubeadm", endpoint: str = "", **kubelet: Any
) -> Node:
    """A cluster of one control plane, made by `tool`; `kubelet` adds to its KubeletConfiguration. etcd's image is the default
    one, whose tag real kubeadm takes whatever it is reported."""
    node = new_node(name)
    documents = cluster.documents(kubernetes.version, node.address)
    host = endpoint or node.address
    if endpoint:
        name_endpoint(node, endpoint, node.address)
    documents[1]["controlPlaneEndpoint"] = f"{host}:6443"
    documents[2] |= kubelet
    node.write(cluster.CONFIG, yaml.safe_dump_all(documents, sort_keys=False))
    node.run(tool, "init", "--config", cluster.CONFIG, timeout=300)
    cluster.install_cni(node)
    return node


def name_endpoint(node: Node, name: str, address: str) -> None:
    """What a DNS server would do for the name of all API servers. /etc/hosts of a container cannot be replaced, only written."""
    node.shell(f"sed '/ {name}$/d' /etc/hosts >/tmp/hosts; echo '{address} {name}' >>/tmp/hosts; cat /tmp/hosts >/etc/hosts")


def join_command(control_plane: Node, *, tool: str = "pykubeadm", as_control_plane: bool = False) -> list[str]:
    """The words after `join` of the command that `tool` prints."""
    words = control_plane.run(tool, "token", "create", "--print-join-command").stdout.split()
    assert words[:2] == [tool, "join"]
    wait_signed(control_plane, words[words.index("--token") + 1])
    more = ["--control-plane", "--certificate-key", certificate_key(control_plane, tool=tool)] if as_control_plane else []
    return words[2:] + more


def wait_signed(control_plane: Node, token: str, *, wanted: bool = True) -> None:
    """Until cluster-info has a signature by `token`, or with `wanted=False` none any more: the controller manager's work, which
    after a change among control planes begins with the election of a leader."""

    def wrong() -> str | None:
        info = kubectl_json(control_plane, "--namespace=kube-public", "get", "configmap", "cluster-info")
        signed = f"jws-kubeconfig-{token[:6]}" in info["data"]
        return None if signed is wanted else f"{token[:6]} {'signs' if signed else 'does not sign'} it"

    cluster.eventually(wrong, "the controller manager's signatures", 120)


def certificate_key(control_plane: Node, *, tool: str = "pykubeadm") -> str:
    """A new key, with the certificates uploaded under it."""
    said = control_plane.run(tool, "init", "phase", "upload-certs", "--upload-certs", timeout=120).stdout
    return str(re.findall(r"\b[0-9a-f]{64}\b", said)[-1])


def join(node: Node, words: Sequence[str], *options: str, tool: str = "pykubeadm", timeout: float = 300) -> str:
    """Join with the words of a join command; what it printed."""
    return node.run(tool, "join", *words, *IGNORED, *options, timeout=timeout).stdout


def side_by_side(calls: Sequence[Callable[[], T]]) -> list[T]:
    """Call all at the same time; their results, or every failure: one node's is often the cause of another's."""
    with ThreadPoolExecutor(len(calls)) as pool:
        running = [pool.submit(call) for call in calls]
    if failures := [error for each in running if isinstance(error := each.exception(), Exception)]:
        raise ExceptionGroup(f"{len(failures)} of {len(calls)} failed", failures)
    return [each.result() for each in running]


def connect(control_plane: Machine, nodes: Sequence[Machine]) -> None:
    """A pod network over all nodes: a bridge on each, and routes to the others' pods."""
    for node in nodes:
        cluster.install_cni(node, asking=control_plane)
    cidrs = {node.name: cluster.pod_cidrs(control_plane, node.name) for node in nodes}
    for node in nodes:
        routes = [
            f"ip route replace {cidr} via {other.address6 if ':' in cidr else other.address}"
            for other in nodes
            if other is not node
            for cidr in cidrs[other.name]
        ]
        node.shell("\n".join(["set -e", *routes]))
    for node in nodes:
        cluster.wait_node_ready(control_plane, node.name)


def etcd_members(node: Node) -> list[dict[str, Any]]:
    """The member list, as the member on `node` knows it."""
    members: list[dict[str, Any]] = json.loads(node.run(*ETCD, "member", "list", "--write-out=json").stdout)["members"]
    return members


def voters(node: Node) -> list[str]:
    """The names of the voting members; an error where one is a learner or never started."""
    members = etcd_members(node)
    assert not [member for member in members if member.get("isLearner") or not member.get("name")], members
    return sorted(member["name"] for member in members)


def node_names(control_plane: Node) -> list[str]:
    return sorted(item["metadata"]["name"] for item in kubectl_json(control_plane, "get", "nodes")["items"])


def fingerprint(node: Node) -> str:
    """Every file of a node that joining could change, with its content. (A kubelet without configuration starts and ends.)"""
    places = "/etc/kubernetes /var/lib/kubelet /var/lib/etcd /etc/containerd /etc/sysctl.d /etc/modules-load.d"
    return node.shell(f"find {places} -type f -exec sha256sum {{}} + 2>/dev/null | sort", check=False)
