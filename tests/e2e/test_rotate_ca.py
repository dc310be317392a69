"""CAs and the key of ServiceAccounts replaced while a cluster runs: who knows only the former ones goes on until the last stage
and is shut out after it, pods go on, real kubeadm works with what is there then; killed where phases begin, and run again."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

import pytest

from lab import assets, cluster
from lab.cluster import eventually, kubectl, kubectl_json
from lab.node import Node
from pykubeadm.commands.certs.rotation.phases import STEPS
from pykubeadm.pki.check import is_signed_by, load_certificates
from tests.e2e import load
from tests.e2e.conftest import NewNode, nodes_of
from tests.e2e.joining import connect, first_control_plane, join, join_command
from tests.e2e.runs import kill_as_starts, outcome
from tests.e2e.test_certs import assert_both_tools_agree, assert_works, expirations, served

ROTATE = ("pykubeadm", "certs", "rotate-ca")
OLD = "/root/old.conf"
TOKENS = "/var/lib/kubelet/pods/*/volumes/kubernetes.io~projected/*"


@dataclass(frozen=True, slots=True)
class Pair:
    """A control plane and a worker whose kubelets' serving certificates are the cluster's."""

    first: Node
    worker: Node

    def round(self, *options: str) -> list[str]:
        """The command on the worker, then on the control plane; what each said."""
        return [
            self.worker.run(*ROTATE, timeout=400).stdout,
            self.first.run(*ROTATE, *options, timeout=600).stdout,
        ]


@pytest.fixture(scope="module")
def pair(kubernetes: assets.Assets, request: pytest.FixtureRequest) -> Iterator[Pair]:
    with nodes_of(kubernetes, request) as new_node:
        first = first_control_plane(new_node, kubernetes, "rotate", serverTLSBootstrap=True)
        worker = new_node("rotatew")
        join(worker, join_command(first))
        connect(first, (first, worker))
        cluster.wait_rolled_out(first, "daemonset/kube-proxy", "deployment/coredns")
        load.web_server(first)
        for each in (first, worker):
            eventually(partial(_without_serving, each), f"the serving certificate of {each.name}", 60)
        yield Pair(first, worker)


def _without_serving(node: Node) -> str | None:
    return None if node.exists("/var/lib/kubelet/pki/kubelet-server-current.pem") else "there is none"


def restarts(node: Node) -> dict[str, int]:
    """Of the pods that no node has from a file."""
    pods = kubectl_json(node, "get", "pods", "--all-namespaces")["items"]
    return {
        pod["metadata"]["name"]: sum(each["restartCount"] for each in pod["status"].get("containerStatuses", ()))
        for pod in pods
        if "kubernetes.io/config.mirror" not in (pod["metadata"].get("annotations") or {})
    }


def assert_shut_out(node: Node) -> None:
    """Who comes with the former admin.conf does not trust the server, and is not let in where he does not look at it."""
    untrusting = node.run("kubectl", f"--kubeconfig={OLD}", "get", "nodes", check=False)
    assert "certificate signed by unknown authority" in untrusting.stderr
    blind = node.run("kubectl", f"--kubeconfig={OLD}", "--insecure-skip-tls-verify", "get", "nodes", check=False)
    assert "Unauthorized" in blind.stderr or "must be logged in" in blind.stderr, blind.stderr


def assert_pods_are_let_in(node: Node, address: str) -> None:
    """With the CA and the token that pods of the node have now."""
    for volume in node.shell(f"ls -d {TOKENS}").split():
        ask = f'curl --silent --show-error --cacert {volume}/ca.crt -H "Authorization: Bearer $(cat {volume}/token)" '
        said = node.shell(f"{ask} https://{address}:6443/apis", check=False)
        assert '"APIGroupList"' in said, (volume, said)


def assert_signed(node: Node, ca: str) -> None:
    """What servers of the node show at their ports is `ca`'s, and nothing stands behind it."""
    (authority,) = load_certificates(ca.encode())
    for port in (6443, 10250) if node.exists("/etc/kubernetes/admin.conf") else (10250,):
        eventually(partial(_another, node, port, authority), f"port {port} of {node.name}", 60)


def _another(node: Node, port: int, authority: object) -> str | None:
    (certificate,) = load_certificates(served(node, port).encode())
    return None if is_signed_by(certificate, (), authority) else "signed by another"  # type: ignore[arg-type]


def test_the_cas_of_the_api_are_rotated_without_one_failed_request(pair: Pair, results: list[str]) -> None:
    """Not even of a client that knows nothing but the former CA, until the last stage."""
    first, worker = pair.first, pair.worker
    old_ca, before = first.read("/etc/kubernetes/pki/ca.crt"), restarts(first)
    api_server = first.run("crictl", "ps", "--quiet", "--name=kube-apiserver").stdout
    first.shell(f"cp /etc/kubernetes/admin.conf {OLD}; mkdir -p /root/.kube; cp /etc/kubernetes/admin.conf /root/.kube/config")
    began = time.monotonic()
    with load.api_writes(first, first.address) as writes, load.web_requests([first.address, worker.address]) as web:
        said = first.run(*ROTATE, "ca", "front-proxy-ca", timeout=400).stdout
        assert f"on {worker.name}" in said
        pair.round()
        said = "".join(pair.round())
        assert "--finish" in said
        assert first.read("/etc/kubernetes/pki/apiserver.crt").count("BEGIN CERTIFICATE") == 2
        assert kubectl(first, "get", "--raw", "/livez") == "ok"
        assert first.run("kubectl", f"--kubeconfig={OLD}", "get", "nodes").returncode == 0
    with load.web_requests([first.address, worker.address]) as web_last:
        said = first.run(*ROTATE, "--finish", timeout=400).stdout
        assert f"on {worker.name}" in said
        assert "Rotated ca, front-proxy-ca" in "".join(pair.round())
    results.append(f"ca and front-proxy-ca in {time.monotonic() - began:.0f} s; writes: {writes}; web: {web}; last: {web_last}")
    assert writes.failures == []
    assert not load.lost(first, writes)
    assert web.failures == web_last.failures == []
    assert first.run("crictl", "ps", "--quiet", "--name=kube-apiserver").stdout == api_server
    assert restarts(first) == before
    ca = first.read("/etc/kubernetes/pki/ca.crt")
    assert ca != old_ca
    assert worker.read("/etc/kubernetes/pki/ca.crt") == ca
    for node in (first, worker):
        assert_signed(node, ca)
        assert_pods_are_let_in(node, first.address)
    assert first.read("/root/.kube/config") == first.read("/etc/kubernetes/admin.conf")
    assert_shut_out(first)
    found = kubectl_json(first, "--namespace=kube-system", "get", "configmap", "extension-apiserver-authentication")["data"]
    assert found["client-ca-file"].strip() == ca.strip()
    assert found["requestheader-client-ca-file"].strip() == first.read("/etc/kubernetes/pki/front-proxy-ca.crt").strip()


def kids(node: Node) -> set[str]:
    """Of the keys that signed the tokens of the node's pods."""
    heads = [token.partition(".")[0] for token in node.shell(f"for file in {TOKENS}/token; do cat $file; echo; done").split()]
    return {json.loads(base64.urlsafe_b64decode(head + "=" * (-len(head) % 4)))["kid"] for head in heads}


def killed(node: Node, stage: str, *words: str) -> str:
    """What the command says that is run to its end after it was killed twice: as this node begins with a stage, and as it is
    about to report it."""
    for phase in ("authorities", "report"):
        kill_as_starts(node, (*ROTATE[1:], *words, "--output=json"), f"{stage}/{phase}")
    return node.run(*ROTATE, *words, timeout=600).stdout


@pytest.mark.long
def test_all_are_rotated_killed_where_stages_begin_and_end(pair: Pair, results: list[str]) -> None:
    first, worker = pair.first, pair.worker
    former = {
        name: first.read(f"/etc/kubernetes/pki/{name}") for name in ("ca.crt", "front-proxy-ca.crt", "etcd/ca.crt", "sa.pub")
    }
    first.shell(f"cp /etc/kubernetes/admin.conf {OLD}")
    old_kids = kids(first) | kids(worker)
    old_token = worker.shell(f"cat $(ls -d {TOKENS} | head -1)/token")
    before = restarts(first)
    began = time.monotonic()
    with load.api_writes(first, first.address) as writes:
        killed(first, "trust", "all")
        killed(worker, "trust")
        kill_as_starts(first, (*ROTATE[1:], "--output=json"), "trust/cluster")
        killed(first, "issue")
        killed(worker, "issue")
        kill_as_starts(first, (*ROTATE[1:], "--output=json"), "issue/cluster")
        assert "--finish" in first.run(*ROTATE, "--restart-workloads", timeout=600).stdout
    assert not (kids(first) | kids(worker)) & old_kids
    eventually(lambda: ", ".join(before.keys() & restarts(first).keys()) or None, "every pod is another one", 60)
    killed(first, "drop", "--finish")
    killed(worker, "drop")
    kill_as_starts(first, (*ROTATE[1:], "--output=json"), "drop/cluster")
    assert "Rotated ca, front-proxy-ca, etcd-ca, sa" in first.run(*ROTATE, timeout=600).stdout
    results.append(f"all in {time.monotonic() - began:.0f} s with kills and workloads; writes: {writes}")
    assert not load.lost(first, writes)
    assert all(first.read(f"/etc/kubernetes/pki/{name}") != content for name, content in former.items())
    assert_shut_out(first)
    ca = first.read("/etc/kubernetes/pki/ca.crt")
    for node in (first, worker):
        assert_signed(node, ca)
        assert_pods_are_let_in(node, first.address)
    cacert = "--cacert /etc/kubernetes/pki/ca.crt"
    said = first.shell(f"curl --silent {cacert} -H 'Authorization: Bearer {old_token}' https://{first.address}:6443/apis")
    assert json.loads(said)["code"] == 401
    left = kubectl(first, "--namespace=kube-system", "get", "configmap,secret,role,rolebinding", "--output=name")
    assert "ca-rotation" not in left


@pytest.mark.long
def test_real_kubeadm_goes_on_with_the_new_cas(pair: Pair, new_node: NewNode) -> None:
    assert_both_tools_agree(pair.first)
    third = new_node("rotatex")
    join(third, join_command(pair.first, tool="kubeadm"), tool="kubeadm")
    connect(pair.first, (pair.first, pair.worker, third))
    assert third.read("/etc/kubernetes/pki/ca.crt").strip() == pair.first.read("/etc/kubernetes/pki/ca.crt").strip()


@pytest.mark.long
def test_aborted_after_the_new_ca_has_signed(pair: Pair) -> None:
    first, worker = pair.first, pair.worker
    nodes = kubectl_json(first, "get", "nodes")["items"]
    for name in {node["metadata"]["name"] for node in nodes} - {first.name, worker.name}:
        kubectl(first, "delete", "node", name)
    former = {name: first.read(f"/etc/kubernetes/pki/{name}") for name in ("ca.crt", "ca.key", "sa.key", "sa.pub", "etcd/ca.crt")}
    first.run(*ROTATE, "all", timeout=600)
    pair.round()
    first.run(*ROTATE, "--abort", timeout=600)
    pair.round()
    assert "Aborted" in "".join(pair.round())
    assert {name: first.read(f"/etc/kubernetes/pki/{name}") for name in former} == former
    for node in (first, worker):
        assert_signed(node, former["ca.crt"])
        assert_pods_are_let_in(node, first.address)
    assert_works(first)


@pytest.mark.long
def test_killed_as_each_phase_of_each_stage_begins(new_node: NewNode, kubernetes: assets.Assets) -> None:
    """Killed at the first, run again, killed at the second, and so on; the API answers after each."""
    node = first_control_plane(new_node, kubernetes, "rotatek")
    cluster.wait_node_ready(node)
    node.shell(f"cp /etc/kubernetes/admin.conf {OLD}")
    words = ("certs", "rotate-ca", "all", "--finish", "--output=json")
    stages = ("trust/", "issue/", "drop/")
    for step in STEPS:
        if step.path.startswith(stages):
            kill_as_starts(node, words, step.path)
            eventually(partial(_no_answer, node), f"the API after {step.path}", 90)
    assert outcome(node.run("pykubeadm", *words, timeout=600).stdout) == "changed"
    assert_shut_out(node)
    assert_works(node)


@pytest.mark.long
def test_a_cluster_that_real_kubeadm_made(new_node: NewNode, kubernetes: assets.Assets) -> None:
    node, worker = first_control_plane(new_node, kubernetes, "rotater", tool="kubeadm"), new_node("rotateq")
    cluster.wait_node_ready(node)
    former = node.read("/etc/kubernetes/pki/ca.crt")
    node.shell(f"cp /etc/kubernetes/admin.conf {OLD}")
    said = node.run("pykubeadm", "certs", "rotate-ca", "all", "--finish", "--output=json", timeout=600).stdout
    assert outcome(said) == "changed"
    ca = node.read("/etc/kubernetes/pki/ca.crt")
    assert ca.count("BEGIN CERTIFICATE") == 1
    assert ca != former
    assert_shut_out(node)
    assert expirations(node, "kubeadm") == expirations(node, "pykubeadm")
    join(worker, join_command(node, tool="kubeadm"), tool="kubeadm")
    connect(node, (node, worker))
    assert worker.read("/etc/kubernetes/pki/ca.crt").strip() == ca.strip()
    assert_works(node)


def _no_answer(node: Node) -> str | None:
    return None if kubectl(node, "get", "--raw", "/livez") == "ok" else "no answer"
