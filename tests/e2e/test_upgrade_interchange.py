"""kubeadm and pykubeadm upgrade each other's clusters, half each; what either leaves behind is compared."""

from __future__ import annotations

from difflib import unified_diff
from functools import partial

import pytest
import yaml

from lab import cluster
from lab.cluster import kubectl_json
from lab.node import Node
from tests.e2e.conftest import Versions, nodes_of
from tests.e2e.joining import connect, join, join_command, voters
from tests.e2e.upgrading import kubelet_version, old_control_plane, stored_version, upgrade, wait_at, with_both

pytestmark = pytest.mark.long
TOOLS = ("pykubeadm", "kubeadm")
FILES = (
    *(
        f"/etc/kubernetes/manifests/{name}.yaml"
        for name in ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler")
    ),
    "/var/lib/kubelet/config.yaml",
    "/var/lib/kubelet/instance-config.yaml",
    "/var/lib/kubelet/kubeadm-flags.env",
)
KINDS = "configmaps,deployments,daemonsets,services,serviceaccounts,roles,rolebindings"
CLUSTER_KINDS = "clusterroles,clusterrolebindings,nodes"
OWN = ("kubeadm", "kube-proxy", "coredns", "kube-dns", "kubelet-config", "cluster-info", "system:coredns", "system:node-proxier")


def picture(node: Node) -> dict[str, str]:
    """The node's files and the cluster's objects that the tools write, without what names or dates them."""
    found = {path: node.read(path) if node.exists(path) else "" for path in FILES}
    for kinds, namespaces in ((KINDS, ("kube-system", "kube-public")), (CLUSTER_KINDS, ("",))):
        for namespace in namespaces:
            items = kubectl_json(node, *([f"--namespace={namespace}"] if namespace else []), "get", kinds)["items"]
            for item in items:
                metadata = item["metadata"]
                if not metadata["name"].startswith((*OWN, node.name)):
                    continue
                kept = {key: metadata[key] for key in ("labels", "annotations") if metadata.get(key)}
                body = {key: value for key, value in item.items() if key not in ("metadata", "status")} | {"metadata": kept}
                title = f"{item['kind']} {namespace}/{metadata['name']}"
                found |= {f"{title} {key}": text for key, text in (body.pop("data", None) or {}).items()}
                found[title] = yaml.safe_dump(body)
    names = {node.name: "NODE", node.address: "ADDRESS"}
    return {_named(title, names): _named(text, names) for title, text in found.items()}


def _named(text: str, names: dict[str, str]) -> str:
    for name, word in names.items():
        text = text.replace(name, word)
    return text


# What differs between any two clusters, or on purpose.
_OWN_VALUES = (
    "certificate-authority-data:",  # cluster-info: each cluster's CA
    "jws-kubeconfig-",
    "clusterIP",  # given out by chance
    "podCIDR",
)


def differences(one: dict[str, str], other: dict[str, str]) -> list[str]:
    """The lines that differ, each with where it is."""
    found = []
    for title in sorted(one.keys() | other.keys()):
        lines = unified_diff(one.get(title, "").splitlines(), other.get(title, "").splitlines(), *TOOLS, n=0, lineterm="")
        changed = [line for line in lines if line[:1] in "+-" and line[:3] not in ("+++", "---")]
        named = [f"{title}: {line}" for line in changed]
        found += [line for line in named if not any(value in line for value in _OWN_VALUES)]
    return found


def test_either_tool_leaves_the_same(versions: Versions, request: pytest.FixtureRequest, results: list[str]) -> None:
    seen = {}
    with nodes_of(versions.old, request) as new_node:
        for tool in TOOLS:
            node = old_control_plane(new_node, versions, f"upc{tool[0]}", tool="kubeadm")
            upgrade(node, versions.new.version, tool=tool)
            wait_at(node, versions.new.version)
            cluster.wait_rolled_out(node, "daemonset/kube-proxy", "deployment/coredns")
            seen[tool] = picture(node)
    found = differences(seen["pykubeadm"], seen["kubeadm"])
    results += [f"after pykubeadm (-) and kubeadm (+): {line}" for line in found]
    assert found == []


@pytest.mark.parametrize("made_by", TOOLS)
@pytest.mark.parametrize("begun_by", TOOLS)
def test_half_by_each_tool(
    versions: Versions,
    request: pytest.FixtureRequest,
    results: list[str],
    made_by: str,
    begun_by: str,
) -> None:
    """The first control plane by one, two others and a worker by the other."""
    finished_by = next(tool for tool in TOOLS if tool != begun_by)
    line = f"made by {made_by:<9} upgrade apply by {begun_by:<9} upgrade node by {finished_by:<9}"
    version = versions.new.version
    with nodes_of(versions.old, request) as new_node:
        first = old_control_plane(new_node, versions, "upi", tool=made_by)
        others = [with_both(new_node, versions)(name) for name in ("upib", "upic", "upiw")]
        words = join_command(first, tool=made_by, as_control_plane=True)
        for node in others[:2]:
            join(node, words, tool=made_by)
        join(others[2], join_command(first, tool=made_by), tool=made_by)
        connect(first, (first, *others))
        try:
            upgrade(first, version, tool=begun_by)
            for node in others:
                upgrade(node, version, tool=finished_by, first=False)
        except Exception:
            results.append(f"{line} failed")
            raise
        results.append(f"{line} upgraded")
        for node in (first, *others[:2]):
            wait_at(node, version)
        assert stored_version(first) == version
        assert voters(first) == sorted(node.name for node in (first, *others[:2]))
        cluster.wait_rolled_out(first, "daemonset/kube-proxy", "deployment/coredns")
        proxy = kubectl_json(first, "--namespace=kube-system", "get", "daemonset", "kube-proxy")
        assert proxy["spec"]["template"]["spec"]["containers"][0]["image"].endswith(f":{version}")
        for node in others:
            node.switch(version, "kubelet")
        for node in others:
            cluster.eventually(partial(_kubelet_differs, first, node, version), f"the new kubelet of {node.name}", 120)
            cluster.wait_node_ready(first, node.name)


def _kubelet_differs(first: Node, node: Node, version: str) -> str | None:
    found = kubelet_version(first, node.name)
    return None if found == version else f"it is {found}"
