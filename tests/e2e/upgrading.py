"""What the tests of `upgrade` share: clusters of the older version, upgrades by either tool, and which version a node is at."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

import yaml

from lab import cluster
from lab.cluster import kubectl, kubectl_json
from lab.node import PROGRAMS, Node
from tests.e2e.conftest import NewNode, Versions
from tests.e2e.joining import ETCD, IGNORED
from tests.e2e.runs import events

COMPONENTS = ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler")
TIMEOUT = 600


def with_both(new_node: NewNode, versions: Versions) -> NewNode:
    """Nodes that start with the old programs and have the new ones and the images of both."""
    return lambda name: new_node(name, versions.new)


def old_control_plane(
    new_node: NewNode,
    versions: Versions,
    name: str,
    *,
    tool: str = "pykubeadm",
    more: Mapping[str, Any] | None = None,
    before: Callable[[Node], None] = lambda _node: None,
) -> Node:
    """A cluster of the old version with one control plane, ready and rolled out; `more` are fields of its ClusterConfiguration,
    `before` is called with the node that starts. etcd has the default tag, the only one that kubeadm's upgrades are good for."""
    node = with_both(new_node, versions)(name)
    before(node)
    documents = cluster.documents(versions.old.version, node.address)
    documents[1] |= {"controlPlaneEndpoint": f"{node.address}:6443"} | dict(more or {})
    node.write(cluster.CONFIG, yaml.safe_dump_all(documents, sort_keys=False))
    node.run(tool, "init", "--config", cluster.CONFIG, timeout=300)
    cluster.install_cni(node)
    cluster.wait_node_ready(node)
    cluster.wait_rolled_out(node, "daemonset/kube-proxy", "deployment/coredns")
    return node


def apply_words(version: str, *options: str) -> list[str]:
    """The words of `pykubeadm upgrade apply` for a lab's node, after the program."""
    return ["upgrade", "apply", version, "--yes", *IGNORED, "--output=json", *options]


def node_words(*options: str) -> list[str]:
    """The words of `pykubeadm upgrade node`."""
    return ["upgrade", "node", *IGNORED, "--output=json", *options]


def upgrade(node: Node, version: str, *options: str, tool: str = "pykubeadm", first: bool = True, check: bool = True) -> str:
    """Upgrade the cluster beginning with this node, or with `first=False` this node alone; what was printed."""
    if tool == "pykubeadm":
        words = [tool, *(apply_words(version, *options) if first else node_words(*options))]
    else:
        part = ["apply", version, "--yes"] if first else ["node"]
        words = [f"{PROGRAMS}/{version}/kubeadm", "upgrade", *part, *IGNORED, *options]
    done = node.run(*words, check=check, timeout=TIMEOUT)
    return done.stdout


def failure(node: Node, words: list[str]) -> str:
    """Run pykubeadm, which must fail in order; the sentence."""
    done = node.run("pykubeadm", *words, check=False, timeout=TIMEOUT)
    said = [event["error"] for event in events(done.stdout) if event["type"] == "failure"]
    assert done.returncode != 0, done.stdout
    assert said, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    return "\n".join(said)


def plan_tables(text: str) -> list[str]:
    """The rows of all tables that `upgrade plan` prints, blanks included."""
    titles = ("COMPONENT ", "API GROUP ")
    names = ("kubelet ", "kube-", "CoreDNS ", "etcd ", "kubeproxy.", "kubelet.")
    return [line for line in text.splitlines() if line.startswith((*titles, *names))]


def manifests(node: Node) -> dict[str, str]:
    """The static pods' manifests, by component."""
    return {name: node.read(f"/etc/kubernetes/manifests/{name}.yaml") for name in COMPONENTS}


def manifest_versions(node: Node) -> dict[str, str]:
    """Component → tag of its image, in the manifests."""
    return {name: re.findall(r"image: \S+:(\S+)", text)[0] for name, text in manifests(node).items()}


def running_versions(node: Node) -> dict[str, str]:
    """Component → tag of its image, as the runtime runs it; what does not run is missing."""
    listed = yaml.safe_load(node.run("crictl", "ps", "--output=yaml").stdout)["containers"] or []
    found = {}
    for container in listed:
        name = container["metadata"]["name"]
        if name in COMPONENTS:
            found[name] = container["image"]["userSpecifiedImage"].rpartition(":")[2]
    return found


def stored_version(node: Node) -> str:
    """The version in kubeadm-config."""
    stored = kubectl_json(node, "--namespace=kube-system", "get", "configmap", "kubeadm-config")
    return str(yaml.safe_load(stored["data"]["ClusterConfiguration"])["kubernetesVersion"])


def kubelet_version(control_plane: Node, name: str) -> str:
    """The version of a node's kubelet, as it reports it."""
    return str(kubectl_json(control_plane, "get", "node", name)["status"]["nodeInfo"]["kubeletVersion"])


def wait_at(node: Node, version: str, *, seconds: float = 120) -> None:
    """Until this control plane is at `version` and nowhere between: manifests, programs, what the cluster knows."""

    def between() -> str | None:
        written = manifest_versions(node)
        wanted = {name: tag for name, tag in written.items() if name != "etcd"}
        if set(wanted.values()) != {version}:
            return f"the manifests are {written}"
        if (running := running_versions(node)) != written:
            return f"{written} should run, {running} does"
        live = kubectl(node, f"--server=https://{node.address}:6443", "get", "--raw", "/livez", check=False)
        if live != "ok":
            return f"the API server says {live}"
        return None

    cluster.eventually(between, f"{node.name} at {version}", seconds)
    server = kubectl_json(node, f"--server=https://{node.address}:6443", "version")["serverVersion"]["gitVersion"]
    assert server.partition("+")[0] == version
    node.run(*ETCD, "endpoint", "health")
