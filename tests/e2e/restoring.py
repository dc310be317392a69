"""What the tests share that bring etcd back: objects before and after a snapshot, and whoever watches them."""

from __future__ import annotations

import json

from lab import cluster
from lab.cluster import kubectl, kubectl_json
from lab.node import Node

NAMESPACE = "kept"


def write_objects(node: Node, prefix: str, count: int) -> set[str]:
    """ConfigMaps with content; their names."""
    names = {f"{prefix}-{number}" for number in range(count)}
    documents = [
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": NAMESPACE}, "data": {"name": name}}
        for name in sorted(names)
    ]
    kubectl(node, "create", "namespace", NAMESPACE, check=False)
    kubectl(node, "create", "--filename=-", stdin=json.dumps({"apiVersion": "v1", "kind": "List", "items": documents}))
    return names


def objects(node: Node) -> set[str]:
    """The names of the ConfigMaps that are there; each has the content that it was written with."""
    items = kubectl_json(node, "--namespace", NAMESPACE, "get", "configmaps")["items"]
    assert all(item["data"].get("name") in (item["metadata"]["name"], None) for item in items)
    return {item["metadata"]["name"] for item in items} - {"kube-root-ca.crt", "openshift-service-ca.crt"}


def revision(node: Node) -> int:
    """The newest revision that the API server serves."""
    listed = json.loads(kubectl(node, "get", "--raw", f"/api/v1/namespaces/{NAMESPACE}/configmaps?limit=1"))
    return int(listed["metadata"]["resourceVersion"])


def assert_old_watches_end(node: Node, since: int) -> None:
    """Whoever asks to go on from a revision of before is told that it is gone, and lists again."""
    path = f"/api/v1/namespaces/{NAMESPACE}/configmaps?watch=1&timeoutSeconds=5&resourceVersion={since}"
    done = node.run("kubectl", f"--kubeconfig={cluster.ADMIN_KUBECONFIG}", "get", "--raw", path, check=False, timeout=30)
    assert "too old resource version" in done.stdout + done.stderr, done.stdout + done.stderr


def assert_scales(node: Node, name: str = "coredns", replicas: int = 3) -> None:
    """Controllers, scheduler and kubelets work with what is there."""
    before = kubectl_json(node, "--namespace=kube-system", "get", "deployment", name)["spec"]["replicas"]
    kubectl(node, "--namespace=kube-system", "scale", f"deployment/{name}", f"--replicas={replicas}")
    cluster.wait_rolled_out(node, f"deployment/{name}", seconds=120)
    kubectl(node, "--namespace=kube-system", "scale", f"deployment/{name}", f"--replicas={before}")
