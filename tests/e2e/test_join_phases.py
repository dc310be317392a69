"""Every `join phase …` by itself, with the flags that kubeadm's has: in order they are a join. Before it, a dry run."""

from __future__ import annotations

from functools import partial

from lab import assets
from lab.cluster import kubectl_json
from lab.node import Node
from tests.e2e.conftest import NewNode
from tests.e2e.joining import IGNORED, connect, fingerprint, first_control_plane, join_command, side_by_side, voters
from tests.e2e.joining import join as join_at_once
from tests.e2e.runs import outcome


def _phase(node: Node, *words: str) -> None:
    node.run("pykubeadm", "join", "phase", *words, timeout=200)


def _worker(node: Node, words: list[str]) -> None:
    _phase(node, "preflight", *words, *IGNORED)
    _phase(node, "kubelet-start", *words)
    _phase(node, "kubelet-wait-bootstrap")


def _control_plane(node: Node, words: list[str], key: list[str]) -> None:
    own = "--control-plane"
    _phase(node, "preflight", *words, *key, *IGNORED)
    _phase(node, "control-plane-prepare", "download-certs", *words, *key)
    _phase(node, "control-plane-prepare", "certs", *words, own)
    _phase(node, "control-plane-prepare", "kubeconfig", *words, own)
    _phase(node, "control-plane-prepare", "control-plane", own)
    _phase(node, "check-etcd", own)
    _phase(node, "kubelet-start", *words)
    _phase(node, "etcd-join", own)
    _phase(node, "kubelet-wait-bootstrap")
    _phase(node, "control-plane-join", "mark-control-plane", own)
    _phase(node, "wait-control-plane", own)


def test_phases_one_by_one_are_a_join(new_node: NewNode, kubernetes: assets.Assets) -> None:
    first = first_control_plane(new_node, kubernetes, "joinp")
    second, worker = new_node("joinpb"), new_node("joinpw")
    words = join_command(first)
    with_key = join_command(first, as_control_plane=True)
    key = with_key[with_key.index("--control-plane") :]
    before = fingerprint(second)
    shown = join_at_once(second, with_key, "--dry-run", "--output=json")
    assert f"would add https://{second.address}:2380 to etcd's members" in shown
    assert not [secret for secret in (key[-1], words[words.index("--token") + 1], "PRIVATE KEY") if secret in shown]
    assert fingerprint(second) == before
    side_by_side([partial(_control_plane, second, words, key), partial(_worker, worker, words)])
    connect(first, (first, second, worker))
    assert voters(first) == sorted((first.name, second.name))
    labels = kubectl_json(first, "get", "node", second.name)["metadata"]["labels"]
    assert labels["node-role.kubernetes.io/control-plane"] == ""
    for node in (second, worker):
        assert not node.exists("/etc/kubernetes/bootstrap-kubelet.conf")
    assert outcome(join_at_once(worker, words, "--output=json")) == "unchanged"
