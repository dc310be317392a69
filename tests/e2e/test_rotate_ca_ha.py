"""All CAs and the key of ServiceAccounts replaced on three control planes behind haproxy and a worker, while the API is written
to: killed on several nodes, also in the middle of a restart, and run again; never two API servers are away."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

import pytest
import yaml

from lab import assets, cluster
from lab.cluster import eventually, kubectl
from lab.node import Node
from tests.e2e import load
from tests.e2e.conftest import NewNode, nodes_of
from tests.e2e.joining import ETCD, connect, first_control_plane, join, join_command, side_by_side, voters
from tests.e2e.runs import kill_as_starts
from tests.e2e.test_certs import assert_works, expirations
from tests.e2e.test_rotate_ca import (
    OLD,
    ROTATE,
    assert_pods_are_let_in,
    assert_shut_out,
    assert_signed,
    kids,
    restarts,
)
from tests.e2e.test_upgrade_ha import load_balancer

pytestmark = pytest.mark.long
CAS = ("ca.crt", "front-proxy-ca.crt", "etcd/ca.crt", "sa.pub")
# Kills the command as soon as the node's API server has ended, while the command waits for the new one.
_KILLED_IN_RESTART = """
"$@" >/tmp/said 2>&1 & pid=$!
while pidof kube-apiserver >/dev/null; do kill -0 $pid || { cat /tmp/said; exit 1; }; sleep 0.1; done
kill -KILL $pid
"""


@dataclass(frozen=True, slots=True)
class Fleet:
    balancer: Node
    control_planes: list[Node]
    worker: Node

    @property
    def nodes(self) -> list[Node]:
        return [*self.control_planes, self.worker]

    @property
    def hosts(self) -> list[str]:
        return [node.address for node in self.control_planes]


@pytest.fixture(scope="module")
def fleet(kubernetes: assets.Assets, request: pytest.FixtureRequest) -> Iterator[Fleet]:
    with nodes_of(kubernetes, request) as new_node:
        balancer, first, second, third, worker = (new_node(name) for name in ("rotlb", "rota", "rotb", "rotc", "rotw"))
        load_balancer(balancer, [first, second, third])
        documents = cluster.documents(kubernetes.version, first.address)
        documents[1]["controlPlaneEndpoint"] = f"{balancer.address}:6443"
        documents[2]["serverTLSBootstrap"] = True
        first.write(cluster.CONFIG, yaml.safe_dump_all(documents, sort_keys=False))
        first.run("pykubeadm", "init", "--config", cluster.CONFIG, timeout=300)
        words = join_command(first, as_control_plane=True)
        side_by_side([partial(join, node, words) for node in (second, third)])
        join(worker, join_command(first))
        connect(first, (first, second, third, worker))
        cluster.wait_rolled_out(first, "daemonset/kube-proxy", "deployment/coredns")
        load.web_server(first)
        yield Fleet(balancer, [first, second, third], worker)


def rotate(node: Node, *words: str) -> str:
    return node.run(*ROTATE, *words, timeout=600).stdout


def kill(node: Node, phase: str, *words: str) -> None:
    kill_as_starts(node, (*ROTATE[1:], *words, "--output=json"), phase)


def kill_in_restart(node: Node, *words: str) -> None:
    node.run("bash", "-c", _KILLED_IN_RESTART, "bash", *ROTATE, *words, timeout=300)


def trust(fleet: Fleet) -> None:
    """The keys get to the others, two of which are killed."""
    first, second, third = fleet.control_planes
    kill(first, "trust/restart", "all")
    said = rotate(first)
    assert f"one after the other, on {second.name}, {third.name}" in said
    key = ["--certificate-key", said.partition("--certificate-key ")[2].split()[0]]
    assert_keys_are_unreadable(first, key[1])
    refused = second.run(*ROTATE, check=False, timeout=120)
    assert refused.returncode
    assert "--certificate-key" in refused.stderr
    kill_in_restart(second, *key)
    rotate(third, *key)
    rotate(second)
    kill(fleet.worker, "trust/report")
    rotate(fleet.worker)
    kill(first, "trust/cluster")


def assert_keys_are_unreadable(node: Node, key: str) -> None:
    """In etcd there is neither a private key of the CAs nor what opens them."""
    stored = node.run(*ETCD, "get", "--prefix", "/registry/", "--print-value-only", "--hex", timeout=120).stdout
    content = bytes.fromhex(stored.replace("\\x", "").replace("\n", ""))
    assert b"pykubeadm-ca-rotation" in content
    assert b"PRIVATE KEY" not in content
    assert key.encode() not in content


def issue(fleet: Fleet) -> str:
    """Two at the same time, which take turns."""
    first, second, third = fleet.control_planes
    rotate(first)
    kill(third, "issue/restart")
    side_by_side([partial(rotate, node) for node in (second, third)])
    kill(fleet.worker, "issue/restart")
    rotate(fleet.worker)
    return rotate(first)


def drop(fleet: Fleet) -> str:
    first, second, third = fleet.control_planes
    kill(first, "drop/restart", "--finish")
    rotate(first, "--finish")
    kill(third, "drop/report")
    side_by_side([partial(rotate, node) for node in (second, third)])
    rotate(fleet.worker)
    return rotate(first)


def test_all_are_rotated_on_three_control_planes(fleet: Fleet, results: list[str]) -> None:
    first, worker = fleet.control_planes[0], fleet.worker
    former = {name: first.read(f"/etc/kubernetes/pki/{name}") for name in CAS}
    first.shell(f"cp /etc/kubernetes/admin.conf {OLD}")
    old_kids, before = set().union(*map(kids, fleet.nodes)), restarts(first)
    began = time.monotonic()
    with load.api_servers(fleet.hosts) as away, load.web_requests([node.address for node in fleet.nodes]) as web:
        with load.api_writes(first, fleet.balancer.address) as writes:
            trust(fleet)
            trusted = time.monotonic()
            assert "--finish" in issue(fleet)
            issued = time.monotonic()
        assert not set().union(*map(kids, fleet.nodes)) & old_kids
        with load.api_writes(first, fleet.balancer.address, prefix="last-") as last:
            assert "Rotated ca, front-proxy-ca, etcd-ca, sa" in drop(fleet)
    ended = time.monotonic()
    results.append(f"trust {trusted - began:.0f} s, issue {issued - trusted:.0f} s, drop {ended - issued:.0f} s, with kills")
    results.append(f"writes: {writes}; in the last stage: {last}; web: {web}; away: {sorted(map(sorted, away))}")
    for count in (writes, last):
        assert len(count.acknowledged) > 100
        assert load.lost(first, count) == set()
        assert count.answered_again == len(count.failures), count.failures
    assert web.answered_again == len(web.failures), web.failures
    assert max(map(len, away)) == 1
    assert restarts(first) == before
    for name, content in former.items():
        assert len({node.read(f"/etc/kubernetes/pki/{name}") for node in fleet.control_planes}) == 1
        assert first.read(f"/etc/kubernetes/pki/{name}") != content
    assert worker.read("/etc/kubernetes/pki/ca.crt") == first.read("/etc/kubernetes/pki/ca.crt")
    left = kubectl(first, "--namespace=kube-system", "get", "configmap,secret,role,rolebinding,lease", "--output=name")
    assert "ca-rotation" not in left
    for node in fleet.control_planes:
        assert not node.exists("/var/lib/pykubeadm/ca-rotation")


def test_only_the_new_cas_are_known(fleet: Fleet) -> None:
    first = fleet.control_planes[0]
    assert_shut_out(first)
    ca = first.read("/etc/kubernetes/pki/ca.crt")
    assert ca.count("BEGIN CERTIFICATE") == 1
    for node in fleet.nodes:
        assert_signed(node, ca)
        for host in fleet.hosts:
            assert_pods_are_let_in(node, host)
    for host in fleet.hosts:
        assert kubectl(first, f"--server=https://{host}:6443", "get", "--raw", "/readyz") == "ok"
    health = json.loads(first.run(*ETCD, "endpoint", "health", "--cluster", "--write-out=json").stdout)
    assert [member["health"] for member in health] == [True] * 3
    assert_works(first)


def test_real_kubeadm_goes_on(fleet: Fleet, new_node: NewNode) -> None:
    """It sees the certificates, and another control plane joins by it."""
    first = fleet.control_planes[0]
    for node in fleet.control_planes:
        assert expirations(node, "kubeadm") == expirations(node, "pykubeadm")
    another = new_node("rotx")
    join(another, join_command(first, tool="kubeadm", as_control_plane=True), tool="kubeadm")
    connect(first, (*fleet.nodes, another))
    assert voters(another) == sorted(node.name for node in (*fleet.control_planes, another))
    for name in CAS:
        assert another.read(f"/etc/kubernetes/pki/{name}") == first.read(f"/etc/kubernetes/pki/{name}")
    eventually(lambda: _no_answer(another), "its API server", 60)


def _no_answer(node: Node) -> str | None:
    answer = kubectl(node, f"--server=https://{node.address}:6443", "get", "--raw", "/readyz")
    return None if answer == "ok" else answer


def test_aborted_while_the_others_are_asked(new_node: NewNode, kubernetes: assets.Assets) -> None:
    """Where one control plane trusts both CAs and the other does not yet, the way back is the same: one after the other."""
    first = first_control_plane(new_node, kubernetes, "rotfirst")
    second = new_node("rotsecond")
    join(second, join_command(first, as_control_plane=True))
    connect(first, (first, second))
    names = (*CAS, "ca.key", "etcd/ca.key", "front-proxy-ca.key", "sa.key")
    former = {name: first.read(f"/etc/kubernetes/pki/{name}") for name in names}
    assert f"on {second.name}" in rotate(first, "all")
    assert f"on {second.name}" in rotate(first, "--abort")
    assert "Aborted" in rotate(second)
    for node in (first, second):
        assert {name: node.read(f"/etc/kubernetes/pki/{name}") for name in names} == former
        assert not node.exists("/var/lib/pykubeadm/ca-rotation")
    assert voters(first) == sorted([first.name, second.name])
    assert_works(first)
