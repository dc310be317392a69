"""Wrong input to `join`: it stops before anything on the node is changed, with a sentence that says what to do."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import pytest
import yaml

from lab import assets, cluster
from lab.cluster import kubectl
from lab.node import Node
from tests.e2e.conftest import nodes_of
from tests.e2e.joining import IGNORED, certificate_key, fingerprint, first_control_plane, join_command, wait_signed


class Pair(NamedTuple):
    """A cluster of one control plane, and a node that may join it."""

    control_plane: Node
    node: Node
    words: list[str]


@pytest.fixture(scope="module")
def pair(kubernetes: assets.Assets, request: pytest.FixtureRequest) -> Iterator[Pair]:
    with nodes_of(kubernetes, request) as new_node:
        control_plane = first_control_plane(new_node, kubernetes, "joinno")
        cluster.wait_node_ready(control_plane)
        yield Pair(control_plane, new_node("joinnow"), join_command(control_plane))


def _refusal(node: Node, *words: str, status: int) -> str:
    """What join says; the node stays as it was, and comes to no journal either."""
    before = fingerprint(node)
    done = node.run("pykubeadm", "join", *words, *IGNORED, check=False, timeout=120)
    assert done.returncode == status, done.stdout + done.stderr
    assert fingerprint(node) == before
    assert not node.exists("/var/lib/pykubeadm/journal.json")
    assert "Traceback" not in done.stderr
    return done.stderr


def _with(words: list[str], flag: str, value: str) -> list[str]:
    changed = list(words)
    changed[changed.index(flag) + 1] = value
    return changed


def test_a_token_that_was_deleted(pair: Pair) -> None:
    words = join_command(pair.control_plane)
    token = words[words.index("--token") + 1]
    pair.control_plane.run("pykubeadm", "token", "delete", token)
    wait_signed(pair.control_plane, token, wanted=False)
    said = _refusal(pair.node, *words, status=6)
    assert f"the bootstrap token {token[:6]} has expired or was deleted" in said
    assert "pykubeadm token create --print-join-command" in said


def test_a_token_with_a_wrong_secret(pair: Pair) -> None:
    token = pair.words[pair.words.index("--token") + 1]
    said = _refusal(pair.node, *_with(pair.words, "--token", f"{token[:6]}.{'0' * 16}"), status=6)
    assert "is not signed with this token" in said


def test_a_token_that_may_only_sign(pair: Pair) -> None:
    token = pair.control_plane.run("pykubeadm", "token", "generate").stdout.strip()
    document = {
        "apiVersion": "kubeadm.k8s.io/v1beta4",
        "kind": "InitConfiguration",
        "bootstrapTokens": [{"token": token, "usages": ["signing"], "groups": []}],
    }
    pair.control_plane.write("/root/token.yaml", yaml.safe_dump(document))
    created = pair.control_plane.run("pykubeadm", "token", "create", token, "--usages=signing,authentication", "--ttl=1h")
    assert created.stdout.strip() == token
    kubectl(
        pair.control_plane, "--namespace=kube-system", "patch", "secret", f"bootstrap-token-{token[:6]}", "--type=json",
        '--patch=[{"op": "remove", "path": "/data/usage-bootstrap-authentication"}]',
    )  # fmt: skip
    wait_signed(pair.control_plane, token)
    said = _refusal(pair.node, *_with(pair.words, "--token", token), status=6)
    assert 'the token needs the usage "authentication"' in said


def test_a_wrong_pin(pair: Pair) -> None:
    said = _refusal(pair.node, *_with(pair.words, "--discovery-token-ca-cert-hash", f"sha256:{'0' * 64}"), status=6)
    assert pair.words[pair.words.index("--discovery-token-ca-cert-hash") + 1] in said
    assert "another cluster, or the hash is wrong" in said


@pytest.mark.parametrize("port", ["10250", "2379"])
def test_a_port_that_is_another_ones(pair: Pair, port: str) -> None:
    """The kubelet's, which speaks TLS, too; etcd's, which wants a client certificate."""
    said = _refusal(pair.node, f"{pair.control_plane.address}:{port}", *pair.words[1:], status=6)
    assert "is not an API server's endpoint" in said


def test_a_port_where_nothing_listens(pair: Pair) -> None:
    pair.node.write("/root/join.yaml", yaml.safe_dump(_configuration(pair, f"{pair.control_plane.address}:6444")))
    said = _refusal(pair.node, "--config", "/root/join.yaml", status=6)
    assert f"nothing listens at {pair.control_plane.address}:6444 (connection refused)" in said


def test_an_address_that_leads_nowhere(pair: Pair) -> None:
    pair.node.write("/root/join.yaml", yaml.safe_dump(_configuration(pair, "no-such-host.invalid:6443")))
    assert "the name in no-such-host.invalid:6443 cannot be resolved" in _refusal(
        pair.node, "--config", "/root/join.yaml", status=6
    )


def _configuration(pair: Pair, endpoint: str) -> dict[str, object]:
    """With a short patience: an endpoint that is down may be coming up."""
    flags = dict(zip(pair.words[1::2], pair.words[2::2], strict=True))
    by_token = {
        "apiServerEndpoint": endpoint,
        "token": flags["--token"],
        "caCertHashes": [flags["--discovery-token-ca-cert-hash"]],
    }
    return {
        "apiVersion": "kubeadm.k8s.io/v1beta4",
        "kind": "JoinConfiguration",
        "discovery": {"bootstrapToken": by_token},
        "timeouts": {"discovery": "3s"},
    }


def test_a_name_that_a_ready_node_has(pair: Pair) -> None:
    name = pair.control_plane.name
    said = _refusal(pair.node, *pair.words, "--node-name", name, status=3)
    assert f"the cluster has a node {name} already, and it is Ready" in said
    assert "it is not this machine: give this one another name (--node-name)" in said


def test_a_control_plane_without_a_key(pair: Pair) -> None:
    said = _refusal(pair.node, *pair.words, "--control-plane", status=3)
    missing = ", ".join(f"/etc/kubernetes/pki/{name}" for name in ("sa.key", "sa.pub", "ca.crt", "ca.key"))
    assert f"neither a certificate key nor, on this node, {missing}" in said
    assert "init phase upload-certs --upload-certs" in said


def test_a_control_plane_with_a_wrong_key(pair: Pair) -> None:
    certificate_key(pair.control_plane)
    said = _refusal(pair.node, *pair.words, "--control-plane", "--certificate-key", "0" * 64, status=3)
    assert "it was encrypted with another key" in said


def test_certificates_that_are_no_longer_there(pair: Pair) -> None:
    key = certificate_key(pair.control_plane)
    kubectl(pair.control_plane, "--namespace=kube-system", "delete", "secret", "kubeadm-certs")
    said = _refusal(pair.node, *pair.words, "--control-plane", "--certificate-key", key, status=3)
    assert "there are no shared certificates in the cluster any more" in said


SKEWED = """
import datetime

from pykubeadm.node.local import LocalNode

real = LocalNode.now
LocalNode.now = lambda node: real(node) - datetime.timedelta(days=3)
"""


def test_a_clock_that_is_wrong(pair: Pair) -> None:
    """A container has the machine's clock, so Python is reported another time."""
    pair.node.write("/tmp/skewed/sitecustomize.py", SKEWED)
    before = fingerprint(pair.node)
    command = ("pykubeadm", "join", *pair.words, *IGNORED)
    done = pair.node.run(*command, check=False, env={"PYTHONPATH": "/tmp/skewed"}, timeout=120)
    assert done.returncode == 6, done.stderr
    assert "this node's clock is 3 days behind that of the API server" in done.stderr
    assert fingerprint(pair.node) == before


def test_no_cluster_at_all(pair: Pair) -> None:
    assert "prints the whole command" in _refusal(pair.node, status=2)


def test_token_discovery_without_a_pin(pair: Pair) -> None:
    endpoint, *words = pair.words
    at = words.index("--discovery-token-ca-cert-hash")
    said = _refusal(pair.node, endpoint, *words[:at], *words[at + 2 :], status=2)
    assert "the hash of the cluster CA's public key is needed" in said
