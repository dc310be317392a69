"""`pykubeadm join` killed anywhere and run again: the node is healthy, etcd has no stale member, there is one Node."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial

import pytest

from lab import assets, cluster
from lab.cluster import kubectl
from lab.node import Node
from tests.e2e.conftest import NewNode, nodes_of
from tests.e2e.joining import (
    ETCD,
    IGNORED,
    connect,
    etcd_members,
    first_control_plane,
    join_command,
    node_names,
    voters,
)
from tests.e2e.runs import kill_as_starts, outcome, phases_of

PID = "/run/pykubeadm-join.pid"


@pytest.fixture(scope="module")
def seed(kubernetes: assets.Assets, request: pytest.FixtureRequest) -> Iterator[Node]:
    with nodes_of(kubernetes, request) as new_node:
        yield first_control_plane(new_node, kubernetes, "joinseed")


def _join(words: Sequence[str]) -> tuple[str, ...]:
    return ("join", *words, *IGNORED, "--output=json")


def _complete(seed: Node, node: Node, words: Sequence[str], *, control_plane: bool) -> None:
    assert outcome(node.run("pykubeadm", *_join(words), timeout=300).stdout) in ("changed", "unchanged")
    assert outcome(node.run("pykubeadm", *_join(words), timeout=300).stdout) == "unchanged"
    connect(seed, (seed, node))
    assert node_names(seed) == sorted([seed.name, node.name])
    assert not node.exists("/etc/kubernetes/bootstrap-kubelet.conf")
    if control_plane:
        assert voters(seed) == sorted([seed.name, node.name])
        assert kubectl(node, "get", "--raw", "/livez") == "ok"
        cluster.wait_rolled_out(seed, "daemonset/kube-proxy")


def _leave(seed: Node, node: Node) -> None:
    """Take the node out by hand; etcd's two members need each other until one is removed."""
    cluster.eventually(partial(_remove_member, seed, node.name), f"etcd without {node.name}", 120)
    node.remove()
    _forget(seed, node)


def _remove_member(seed: Node, name: str) -> None:
    for member in etcd_members(seed):
        if member.get("name") == name:
            seed.run(*ETCD, "member", "remove", f"{member['ID']:x}")


def _forget(seed: Node, node: Node) -> None:
    """Delete the Node object. Not at once: where etcd lost its leader, it elects another first."""

    def delete() -> None:
        kubectl(seed, "delete", "node", node.name, "--ignore-not-found")

    cluster.eventually(delete, f"a cluster without {node.name}", 120)


def _killed_at_every_boundary(node: Node, words: Sequence[str]) -> list[str]:
    phases = phases_of(node, _join(words))
    for phase in phases:
        kill_as_starts(node, _join(words), phase)
    return phases


def test_worker_killed_at_every_phase_boundary(seed: Node, new_node: NewNode) -> None:
    worker, words = new_node("joinr"), join_command(seed)
    assert _killed_at_every_boundary(worker, words) == ["prepare", "preflight", "kubelet-start", "kubelet-wait-bootstrap"]
    _complete(seed, worker, words, control_plane=False)
    _leave(seed, worker)


def test_control_plane_killed_at_every_phase_boundary(seed: Node, new_node: NewNode) -> None:
    node, words = new_node("joinc"), join_command(seed, as_control_plane=True)
    assert len(_killed_at_every_boundary(node, words)) == 12
    _complete(seed, node, words, control_plane=True)
    _leave(seed, node)


@pytest.mark.parametrize("trace", ["/etc/kubernetes/manifests/etcd.yaml", "/var/lib/etcd/member"])
def test_control_plane_killed_within_etcd_join(seed: Node, new_node: NewNode, trace: str) -> None:
    """The learner is added but its manifest just written, or it has just begun with its data."""
    node, words = new_node("joine"), join_command(seed, as_control_plane=True)
    process = node.start_process("sh", "-c", f"echo $$ >{PID}; exec pykubeadm {' '.join(_join(words))}")
    try:
        node.shell(f"until test -e {trace}; do sleep 0.01; done; kill -KILL $(cat {PID})", timeout=240)
    finally:
        process.kill()
        process.communicate()
    _complete(seed, node, words, control_plane=True)
    _leave(seed, node)


def test_control_plane_that_lost_its_disk_joins_again(seed: Node, new_node: NewNode) -> None:
    """Its etcd member votes and is gone for good: it is replaced, as the other two keep their majority."""
    first, second = new_node("joinl"), new_node("joinm")
    words = join_command(seed, as_control_plane=True)
    for node in (first, second):
        node.run("pykubeadm", *_join(words), timeout=300)
    assert len(voters(seed)) == 3
    second.shell(
        "systemctl stop kubelet; crictl pods -q | xargs -r crictl rmp -f >/dev/null;"
        "awk '$2 ~ \"^/var/lib/kubelet/\" {print $2}' /proc/mounts | xargs -r umount -l;"
        "rm -rf /etc/kubernetes/* /var/lib/etcd/* /var/lib/kubelet/* /var/lib/pykubeadm",
        timeout=120,
    )
    words = join_command(seed, as_control_plane=True)
    _forget(seed, second)
    assert outcome(second.run("pykubeadm", *_join(words), timeout=300).stdout) == "changed"
    assert voters(seed) == sorted([seed.name, first.name, second.name])
