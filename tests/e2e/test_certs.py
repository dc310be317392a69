"""Certificates on a running control plane: both tools see the same, either renews what the other made, and what runs goes on."""

from __future__ import annotations

import base64
import json
import random
import time
from datetime import UTC, datetime
from typing import Any

import pytest
import yaml

from lab import assets, cluster, payload
from lab.cluster import kubectl, kubectl_json
from lab.node import Node
from pykubeadm.commands.certs.phases import steps_of
from pykubeadm.pki.check import is_for_key, load_certificates
from pykubeadm.pki.issue import Subject, make_request
from pykubeadm.pki.keys import encode_private_key, generate_key, load_private_key
from pykubeadm.pki.renewal import names_of_certificate
from tests.e2e.conftest import NewNode
from tests.e2e.joining import first_control_plane, wait_signed
from tests.e2e.runs import kill_as_starts, outcome

CHECK = ("certs", "check-expiration", "-o", "json")
RENEW = ("certs", "renew", "all", "--output=json")
PODS = ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler")
# What a server shows at a port of the node, as PEM. Whether the client is let in comes after that.
_SERVED = "import ssl, sys; print(ssl.get_server_certificate((sys.argv[1], int(sys.argv[2]))))"


def served(node: Node, port: int, address: str = "") -> str:
    return node.run(f"{payload.MOUNT}/bin/python", "-c", _SERVED, address or node.address, str(port)).stdout.strip()


def containers(node: Node) -> dict[str, str]:
    """The control plane's running containers, by component."""
    listed = json.loads(node.run("crictl", "ps", "-o", "json").stdout)["containers"]
    return {entry["metadata"]["name"]: entry["id"] for entry in listed if entry["metadata"]["name"] in PODS}


def expirations(node: Node, tool: str) -> dict[str, Any]:
    """What kubeadm's command says, without the seconds that pass between two calls."""
    found: dict[str, Any] = json.loads(node.run(tool, *CHECK).stdout)
    found.pop("kubeletCertificates", None)
    for entry in (*found["certificates"], *found["certificateAuthorities"]):
        entry["residualTime"] //= 60
    return found


def assert_new_certificates_are_served(node: Node) -> None:
    """The API server and etcd read their files again by themselves."""
    for port, file in ((6443, "apiserver.crt"), (2379, "etcd/server.crt"), (2380, "etcd/peer.crt")):
        wanted = node.read(f"/etc/kubernetes/pki/{file}").strip()
        cluster.eventually(
            lambda port=port, wanted=wanted: None if served(node, port) == wanted else "the old one", f"{file}", 90
        )


def assert_pairs_match(node: Node, *, but_for: int = 0) -> None:
    """Each certificate belongs to its key, but for so many. Raises where a file is not whole."""
    paths = node.shell("find /etc/kubernetes/pki -name '*.crt'").split()
    texts = [(node.read(path), node.read(f"{path.removesuffix('.crt')}.key")) for path in paths]
    for name in ("admin", "controller-manager", "scheduler", "super-admin"):
        user = yaml.safe_load(node.read(f"/etc/kubernetes/{name}.conf"))["users"][0]["user"]
        certificate, key = (base64.b64decode(user[f"client-{part}-data"]).decode() for part in ("certificate", "key"))
        paths.append(name)
        texts.append((certificate, key))
    wrong = [
        path
        for path, (certificate, key) in zip(paths, texts, strict=True)
        if not is_for_key(load_certificates(certificate.encode())[0], load_private_key(key.encode()))
    ]
    assert len(wrong) <= but_for, wrong


def assert_works(node: Node) -> None:
    """The API lets admin.conf in, the controller manager signs, the scheduler schedules, logs come from the kubelet."""
    assert kubectl(node, "get", "--raw", "/livez") == "ok"
    token = node.run("pykubeadm", "token", "create").stdout.strip()
    wait_signed(node, token)
    kubectl(node, "--namespace=kube-system", "rollout", "restart", "deployment/coredns")
    cluster.wait_rolled_out(node, "deployment/coredns")

    def no_logs() -> str | None:
        """Former pods may be there still; the API server closes its connections to kubelets when it takes up another client
        certificate."""
        pods = kubectl_json(node, "--namespace=kube-system", "get", "pods", "--selector=k8s-app=kube-dns")["items"]
        names = [pod["metadata"]["name"] for pod in pods if "deletionTimestamp" not in pod["metadata"]]
        return None if kubectl(node, "--namespace=kube-system", "logs", names[0]) else "empty"

    cluster.eventually(no_logs, "logs", 60)


def test_all_are_renewed_and_taken_up_while_the_cluster_runs(control_plane: Node) -> None:
    node = control_plane
    node.shell("mkdir -p /root/.kube; cp /etc/kubernetes/admin.conf /root/.kube/config; chmod 600 /root/.kube/config")
    before, running = json.loads(node.run("pykubeadm", *CHECK).stdout), containers(node)
    old = node.read("/etc/kubernetes/admin.conf")
    done = node.run("pykubeadm", *RENEW, timeout=300).stdout
    assert outcome(done) == "changed"
    after = json.loads(node.run("pykubeadm", *CHECK).stdout)
    for one, other in zip(before["certificates"], after["certificates"], strict=True):
        assert one["name"] == other["name"]
        assert one["expirationDate"] < other["expirationDate"]
    assert before["certificateAuthorities"][0]["expirationDate"] == after["certificateAuthorities"][0]["expirationDate"]
    assert {entry["name"] for entry in after["kubeletCertificates"]} == {"kubelet.conf", "kubelet-serving"}
    now = containers(node)
    assert {name for name in PODS if now[name] != running[name]} == {"kube-controller-manager", "kube-scheduler"}
    assert_new_certificates_are_served(node)
    assert node.read("/root/.kube/config") == node.read("/etc/kubernetes/admin.conf") != old
    assert_works(node)


def assert_both_tools_agree(node: Node) -> None:
    """Of what either renewed both say the same, field by field and word by word, and all goes on."""
    for tool in ("pykubeadm", "kubeadm"):
        node.run(tool, "certs", "renew", "all", timeout=300)
        assert expirations(node, "pykubeadm") == expirations(node, "kubeadm")
        texts = [node.run(name, "certs", "check-expiration").stdout for name in ("pykubeadm", "kubeadm")]
        table = texts[1][texts[1].index("CERTIFICATE ") :]  # what kubeadm reads its configuration from comes before
        assert texts[0].startswith(table)
        assert_new_certificates_are_served(node)
    node.run("pykubeadm", "certs", "renew", "all", timeout=300)
    assert_works(node)


def test_both_tools_say_the_same_of_each_others_work(control_plane: Node) -> None:
    assert_both_tools_agree(control_plane)


@pytest.mark.long
def test_both_tools_say_the_same_in_a_cluster_of_kubeadms(new_node: NewNode, kubernetes: assets.Assets) -> None:
    node = first_control_plane(new_node, kubernetes, "certs-kubeadm", tool="kubeadm")
    cluster.wait_node_ready(node)
    assert expirations(node, "pykubeadm") == expirations(node, "kubeadm")
    assert_both_tools_agree(node)


@pytest.mark.long
def test_killed_at_every_phase_boundary(control_plane: Node) -> None:
    """Killed at the first, run again, killed at the second, and so on. Restarts are left out but at the end: the kubelet waits
    longer before each."""
    node = control_plane
    for step in steps_of(("all",))[:-1]:
        kill_as_starts(node, (*RENEW, "--no-restart"), step.path)
        assert_pairs_match(node, but_for=1)
    kill_as_starts(node, RENEW, "restart")
    assert outcome(node.run("pykubeadm", *RENEW, timeout=300).stdout) == "changed"
    assert_pairs_match(node)
    assert_new_certificates_are_served(node)
    assert_works(node)


@pytest.mark.long
def test_killed_at_random_moments(control_plane: Node) -> None:
    """What is there after each is whole, but for the pair that was being written; what runs goes on."""
    node, words = control_plane, (*RENEW, "--no-restart")
    began = time.monotonic()
    node.run("pykubeadm", *words, timeout=300)
    takes = time.monotonic() - began
    moments = random.Random(20260304)  # noqa: S311 - no secret
    for _ in range(10):
        node.run("timeout", "--signal=KILL", f"{moments.uniform(0.1, takes):.3f}", "pykubeadm", *words, check=False, timeout=300)
        assert_pairs_match(node, but_for=1)
        assert kubectl(node, "get", "--raw", "/livez") == "ok"
        assert outcome(node.run("pykubeadm", *words, timeout=300).stdout) == "changed"
        assert_pairs_match(node)
    assert_new_certificates_are_served(node)


@pytest.mark.long
def test_a_new_name_of_the_configuration_is_in_the_renewed_certificate(control_plane: Node) -> None:
    node = control_plane
    stored = kubectl_json(node, "--namespace=kube-system", "get", "configmap", "kubeadm-config")
    text = stored["data"]["ClusterConfiguration"]
    text = text.replace("apiServer: {}", "apiServer:\n  certSANs: [new.example.org]")
    assert "new.example.org" in text
    patch = json.dumps({"data": {"ClusterConfiguration": text}})
    kubectl(node, "--namespace=kube-system", "patch", "configmap", "kubeadm-config", "--patch", patch)
    said = node.run("pykubeadm", "certs", "renew", "apiserver", timeout=120).stdout
    assert "now for new.example.org too" in said
    certificate = load_certificates(node.read("/etc/kubernetes/pki/apiserver.crt").encode())[0]
    assert "new.example.org" in names_of_certificate(certificate).dns


def test_monitoring(control_plane: Node) -> None:
    done = control_plane.run("pykubeadm", "certs", "check-expiration", "-o", "prometheus", "--warn-days=30")
    assert 'pykubeadm_certificate_expiration_timestamp_seconds{name="apiserver",kind="certificate",ca="ca"}' in done.stdout
    soon = control_plane.run("pykubeadm", "certs", "check-expiration", "--warn-days=400", check=False)
    assert soon.returncode == 7
    assert "warning: admin.conf expires in " in soon.stderr


def test_users_are_known_to_the_cluster_and_a_key_need_not_travel(control_plane: Node) -> None:
    node = control_plane
    node.run("pykubeadm", "kubeconfig", "user", "--client-name=jane", "--org=web,ops", "--output-file=/root/jane.conf")
    key = generate_key("ECDSA-P256")
    now = datetime.now(UTC)
    node.write("/root/joe.key", encode_private_key(key).decode(), "0600")
    node.write("/root/joe.csr", make_request(Subject("x", now, now), key).decode())
    node.run("pykubeadm", "kubeconfig", "user", "--client-name=joe", "--csr=/root/joe.csr", "--output-file=/root/joe.conf")
    for name, groups in (("jane", ["web", "ops"]), ("joe", [])):
        who = json.loads(node.run("kubectl", f"--kubeconfig=/root/{name}.conf", "auth", "whoami", "-o", "json").stdout)
        assert who["status"]["userInfo"]["username"] == name
        assert sorted(who["status"]["userInfo"]["groups"]) == sorted([*groups, "system:authenticated"])
    assert node.shell("stat -c %a /root/jane.conf").strip() == "600"


def test_the_images_of_a_running_control_plane_are_there_already(control_plane: Node) -> None:
    said = control_plane.run("pykubeadm", "config", "images", "pull", "--config", cluster.CONFIG, timeout=120).stdout
    assert said.count("is there already") == 7
    failed = control_plane.run(
        "pykubeadm", "config", "images", "pull", "--image-repository=localhost:1/none", "--kubernetes-version=v1.36.2",
        check=False, timeout=300,
    )  # fmt: skip
    assert failed.returncode == 5
    assert failed.stderr.count("localhost:1/none/") >= 7


def test_the_stored_configuration_is_printed(control_plane: Node) -> None:
    control_plane.shell("pykubeadm config show >/root/shown.yaml && pykubeadm config validate --config /root/shown.yaml")
    shown = control_plane.read("/root/shown.yaml")
    for kind in ("ClusterConfiguration", "KubeletConfiguration", "KubeProxyConfiguration"):
        assert f"kind: {kind}" in shown
