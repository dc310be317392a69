"""A control plane whose certificates have all expired, brought back by one command."""

from __future__ import annotations

import pytest
import yaml

from lab import assets, cluster
from lab.cluster import kubectl
from lab.node import Node
from tests.e2e.ageing import expired, give_expired_certificate, let_a_year_pass, make_authorities, valid_for
from tests.e2e.conftest import NewNode
from tests.e2e.joining import connect, join, join_command
from tests.e2e.runs import events, outcome
from tests.e2e.test_certs import assert_works

pytestmark = pytest.mark.long
OF_KUBELET = {"kubelet.conf", "kubelet-serving"}
OF_CONTROL_PLANE = {
    "admin.conf", "apiserver", "apiserver-etcd-client", "apiserver-kubelet-client", "controller-manager.conf",
    "etcd-healthcheck-client", "etcd-peer", "etcd-server", "front-proxy-client", "scheduler.conf", "super-admin.conf",
}  # fmt: skip


def assert_dead(node: Node) -> None:
    """Nobody is let in, whether an API server answers or none."""
    done = node.run("kubectl", "--kubeconfig=/etc/kubernetes/admin.conf", "get", "nodes", check=False, timeout=120)
    assert done.returncode
    assert "certificate has expired" in done.stderr or "refused" in done.stderr, done.stderr


def wait_alive(node: Node) -> None:
    """An API server that was down for a while has more to do at first than to shake hands."""

    def no_answer() -> str | None:
        done = node.run("kubectl", "--kubeconfig=/etc/kubernetes/admin.conf", "get", "--raw", "/livez", check=False, timeout=60)
        return None if done.stdout == "ok" else done.stderr or done.stdout

    cluster.eventually(no_answer, "a healthy API server", 180, pause=1)


def bring_back(node: Node, *options: str) -> None:
    done = node.run("pykubeadm", "certs", "renew", "all", "--output=json", *options, timeout=400).stdout
    assert outcome(done) == "changed"
    assert not [event for event in events(done) if event["type"] == "note" and "not up yet" in event["message"]]
    wait_alive(node)
    cluster.wait_node_ready(node)
    assert expired(node) == set()
    assert_works(node)


def test_a_cluster_found_dead_after_a_year(new_node: NewNode, kubernetes: assets.Assets) -> None:
    """The kubelet's certificate is over, too, so that it does not start; the CAs have nine years left."""
    node = new_node("dead")
    node.write(cluster.CONFIG, yaml.safe_dump_all(cluster.documents(kubernetes.version, node.address)))
    make_authorities(node)
    node.run("pykubeadm", "init", "--config", cluster.CONFIG, timeout=300)
    cluster.install_cni(node)
    cluster.wait_node_ready(node)
    kubectl(node, "create", "configmap", "kept", "--from-literal=a=b")
    let_a_year_pass(node)
    node.power_on()
    assert expired(node) == OF_CONTROL_PLANE | OF_KUBELET
    assert_dead(node)
    assert node.run("systemctl", "is-active", "kubelet", check=False).stdout.strip() != "active"
    bring_back(node)
    assert kubectl(node, "get", "configmap", "kept", "--output=jsonpath={.data.a}") == "b"


def test_a_worker_whose_certificate_has_expired_joins_again(control_plane: Node, new_node: NewNode) -> None:
    """As the guide says: nobody can sign for it there."""
    worker = new_node("expired")
    words = join_command(control_plane)
    join(worker, words)
    connect(control_plane, [control_plane, worker])
    give_expired_certificate(worker, control_plane)
    worker.run("systemctl", "restart", "kubelet", check=False)
    assert expired(worker) == {"kubelet.conf"}
    refused = worker.run("pykubeadm", "certs", "renew", "all", check=False, timeout=120)
    assert refused.returncode
    assert "on a worker remove /etc/kubernetes/kubelet.conf and join again" in refused.stderr
    worker.run("rm", "/etc/kubernetes/kubelet.conf")
    join(worker, words)
    assert expired(worker) == set()
    cluster.wait_node_ready(control_plane, worker.name)
    kubectl(control_plane, "delete", "node", worker.name)


def test_certificates_of_a_minute(control_plane: Node) -> None:
    """They expire while all runs. A configuration says how long the next ones last: offline it would be a minute again."""
    node = control_plane
    node.run("pykubeadm", "certs", "renew", "all", "--config", valid_for(node, "1m"), timeout=300)
    cluster.eventually(lambda: None if expired(node) == OF_CONTROL_PLANE else "not yet", "expired certificates", 90, pause=3)
    assert_dead(node)
    bring_back(node, "--config", cluster.CONFIG)
