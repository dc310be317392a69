"""A control plane and a worker of the minor version before are upgraded with their kubelets; users' changes are still there."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import pytest
import yaml

from lab import cluster
from lab.cluster import kubectl, kubectl_json
from lab.node import Node
from tests.e2e import load
from tests.e2e.conftest import Versions, nodes_of
from tests.e2e.joining import connect, join, join_command
from tests.e2e.runs import events, outcome
from tests.e2e.untouched import snapshot, touched
from tests.e2e.upgrading import (
    apply_words,
    failure,
    kubelet_version,
    node_words,
    old_control_plane,
    stored_version,
    upgrade,
    wait_at,
    with_both,
)

pytestmark = pytest.mark.long
COREFILE = "example.org:53 {\n    forward . 192.0.2.53\n}\n"


class Cluster(NamedTuple):
    control_plane: Node
    worker: Node
    versions: Versions


@pytest.fixture(scope="module")
def old(versions: Versions, request: pytest.FixtureRequest) -> Iterator[Cluster]:
    """A cluster of the old version in which a user changed what users change."""
    with nodes_of(versions.old, request) as new_node:
        first = old_control_plane(new_node, versions, "up")
        worker = with_both(new_node, versions)("upw")
        join(worker, join_command(first))
        connect(first, (first, worker))
        _change_what_users_change(first)
        load.web_server(first)
        yield Cluster(first, worker, versions)


def _change_what_users_change(node: Node) -> None:
    system = "--namespace=kube-system"
    corefile = kubectl_json(node, system, "get", "configmap", "coredns")["data"]["Corefile"]
    _merge(node, "configmap/coredns", {"data": {"Corefile": corefile + COREFILE}, "metadata": {"labels": {"team": "dns"}}})
    _merge(node, "deployment/coredns", {"spec": {"replicas": 3}, "metadata": {"annotations": {"example.org/owner": "dns"}}})
    proxy = yaml.safe_load(kubectl_json(node, system, "get", "configmap", "kube-proxy")["data"]["config.conf"])
    proxy["metricsBindAddress"] = "0.0.0.0:10249"
    _merge(node, "configmap/kube-proxy", {"data": {"config.conf": yaml.safe_dump(proxy)}})
    kubelet = yaml.safe_load(kubectl_json(node, system, "get", "configmap", "kubelet-config")["data"]["kubelet"])
    kubelet["maxPods"] = 77
    _merge(node, "configmap/kubelet-config", {"data": {"kubelet": yaml.safe_dump(kubelet)}})


def _merge(node: Node, name: str, body: object) -> None:
    kubectl(node, "--namespace=kube-system", "patch", name, "--type=merge", "--patch-file=/dev/stdin", stdin=yaml.safe_dump(body))


def _changed_phases(output: str) -> list[str]:
    """The phases that changed something, or would have."""
    return [each["phase"] for each in events(output) if each["type"] == "phase-finished" and each["outcome"] == "changed"]


def test_a_dry_run_changes_nothing(old: Cluster) -> None:
    node, version = old.control_plane, old.versions.new.version
    before = snapshot(node)
    done = node.run("pykubeadm", *apply_words(version, "--dry-run"), timeout=180)
    assert "Traceback" not in done.stderr
    assert touched(before, snapshot(node)) == []
    assert stored_version(node) == old.versions.old.version


def test_the_control_plane_is_upgraded_as_the_dry_run_said(old: Cluster) -> None:
    node, version = old.control_plane, old.versions.new.version
    planned = node.run("pykubeadm", *apply_words(version, "--dry-run"), timeout=180).stdout
    with load.web_requests([node.address, old.worker.address]) as web:
        said = upgrade(node, version)
    assert outcome(said) == "changed"
    assert _changed_phases(said) == _changed_phases(planned)
    wait_at(node, version)
    assert stored_version(node) == version
    assert kubelet_version(node, node.name) == old.versions.old.version
    assert web.requests
    assert not [why for _, why in web.failures], str(web)


def test_upgraded_again_nothing_changes(old: Cluster) -> None:
    assert outcome(upgrade(old.control_plane, old.versions.new.version)) == "unchanged"


def test_the_worker_is_upgraded_with_its_kubelet(old: Cluster) -> None:
    """Its web server's pod may leave, as there is another on the control plane's node or comes with the drain."""
    first, worker, version = old.control_plane, old.worker, old.versions.new.version
    kubectl(first, "taint", "node", first.name, "node-role.kubernetes.io/control-plane:NoSchedule-", check=False)
    done = worker.run("pykubeadm", *node_words("--kubelet"), timeout=400)
    assert outcome(done.stdout) == "changed"
    changes = [change for event in events(done.stdout) for change in event.get("changes") or ()]
    assert f"cordoned node {worker.name}" in changes
    assert f"uncordoned node {worker.name}" in changes
    assert kubelet_version(first, worker.name) == version
    assert not kubectl_json(first, "get", "node", worker.name)["spec"].get("unschedulable")
    cluster.wait_node_ready(first, worker.name)
    assert "maxPods: 77" in worker.read("/var/lib/kubelet/config.yaml")


def test_the_control_plane_s_kubelet_follows(old: Cluster) -> None:
    node, version = old.control_plane, old.versions.new.version
    node.run("pykubeadm", "upgrade", "apply", "phase", "kubelet", "all", version, "--output=json", timeout=400)
    assert kubelet_version(node, node.name) == version
    wait_at(node, version)
    cluster.wait_rolled_out(node, "deployment/web", namespace=load.NAMESPACE)


def test_what_users_changed_is_still_there(old: Cluster) -> None:
    node, system = old.control_plane, "--namespace=kube-system"
    corefile = kubectl_json(node, system, "get", "configmap", "coredns")
    assert COREFILE in corefile["data"]["Corefile"]
    assert corefile["metadata"]["labels"]["team"] == "dns"
    coredns = kubectl_json(node, system, "get", "deployment", "coredns")
    assert coredns["spec"]["replicas"] == 3
    assert coredns["metadata"]["annotations"]["example.org/owner"] == "dns"
    proxy = kubectl_json(node, system, "get", "configmap", "kube-proxy")["data"]["config.conf"]
    assert yaml.safe_load(proxy)["metricsBindAddress"] == "0.0.0.0:10249"
    kubelet = kubectl_json(node, system, "get", "configmap", "kubelet-config")["data"]["kubelet"]
    assert yaml.safe_load(kubelet)["maxPods"] == 77
    assert "maxPods: 77" in node.read("/var/lib/kubelet/config.yaml")
    cluster.wait_rolled_out(node, "daemonset/kube-proxy", "deployment/coredns")


def test_a_budget_that_allows_nothing_keeps_the_node_in_service(old: Cluster) -> None:
    """The deadline names the pod and its budget; the pod runs on."""
    first, worker = old.control_plane, old.worker
    kubectl(first, "--namespace", load.NAMESPACE, "patch", "poddisruptionbudget/web", "--patch", '{"spec": {"minAvailable": 2}}')
    budget = ("--namespace", load.NAMESPACE, "get", "poddisruptionbudget", "web")
    cluster.eventually(
        lambda: None if kubectl_json(first, *budget)["status"].get("desiredHealthy") == 2 else "not yet", "the budget", 120
    )
    worker.switch(old.versions.old.version, "kubelet")
    cluster.eventually(
        lambda: None if kubelet_version(first, worker.name) == old.versions.old.version else "not yet", "the old kubelet", 60
    )
    said = failure(worker, [*node_words("--kubelet"), "--drain-timeout=15s"])
    assert "Pod load/web-" in said
    assert "The disruption budget web needs 2 healthy pods" in said
    assert f"kubectl uncordon {worker.name}" in said
    kubectl(first, "--namespace", load.NAMESPACE, "patch", "poddisruptionbudget/web", "--patch", '{"spec": {"minAvailable": 1}}')
    worker.run("pykubeadm", *node_words("--kubelet"), timeout=400)
    assert kubelet_version(first, worker.name) == old.versions.new.version
    assert not kubectl_json(first, "get", "node", worker.name)["spec"].get("unschedulable")
