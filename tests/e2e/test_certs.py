"""Certificates on a running control plane: both tools see the same, either renews what the other made, and what runs goes on."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from lab import assets, cluster, payload
from lab.cluster import kubectl, kubectl_json
from lab.node import Node
from pykubeadm.pki.check import load_certificates
from pykubeadm.pki.issue import Subject, make_request
from pykubeadm.pki.keys import encode_private_key, generate_key
from pykubeadm.pki.renewal import names_of_certificate
from tests.e2e.conftest import NewNode
from tests.e2e.joining import first_control_plane, wait_signed
from tests.e2e.runs import events, kill_as_starts, outcome

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


def assert_works(node: Node) -> None:
    """The API lets admin.conf in, the controller manager signs, the scheduler schedules, logs come from the kubelet."""
    assert kubectl(node, "get", "--raw", "/livez") == "ok"
    token = node.run("pykubeadm", "token", "create").stdout.strip()
    wait_signed(node, token)
    kubectl(node, "--namespace=kube-system", "rollout", "restart", "deployment/coredns")
    cluster.wait_rolled_out(node, "deployment/coredns")
    pods = kubectl_json(node, "--namespace=kube-system", "get", "pods", "--selector=k8s-app=kube-dns")["items"]

    def no_logs() -> str | None:
        """The API server closes its connections to kubelets when it takes up another client certificate."""
        return None if kubectl(node, "--namespace=kube-system", "logs", pods[0]["metadata"]["name"]) else "empty"

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


def test_both_tools_say_the_same_of_each_others_work(control_plane: Node) -> None:
    node = control_plane
    for tool in ("pykubeadm", "kubeadm"):
        node.run(tool, "certs", "renew", "all", timeout=300)
        assert expirations(node, "pykubeadm") == expirations(node, "kubeadm")
        texts = [node.run(name, "certs", "check-expiration").stdout for name in ("pykubeadm", "kubeadm")]
        table = texts[1][texts[1].index("CERTIFICATE ") :]  # what kubeadm reads its configuration from comes before
        assert texts[0].startswith(table)
    node.run("pykubeadm", "certs", "renew", "all", timeout=300)
    assert_works(node)


@pytest.mark.long
@pytest.mark.parametrize("phase", ["apiserver", "etcd-peer", "scheduler.conf", "restart"])
def test_killed_and_run_again(control_plane: Node, phase: str) -> None:
    """Restarts are left out but once: the kubelet waits longer before each."""
    words = RENEW if phase == "restart" else (*RENEW, "--no-restart")
    kill_as_starts(control_plane, words, phase)
    assert outcome(control_plane.run("pykubeadm", *words, timeout=300).stdout) == "changed"
    assert_new_certificates_are_served(control_plane)
    assert kubectl(control_plane, "get", "--raw", "/livez") == "ok"


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


@pytest.mark.long
def test_a_cluster_found_dead_is_brought_back_by_one_command(new_node: NewNode, kubernetes: assets.Assets) -> None:
    """Everything has expired, the kubelet's certificate too."""
    node = first_control_plane(new_node, kubernetes, "dead")
    node.run("systemctl", "stop", "kubelet")
    expire(node)
    node.power_off()
    node.power_on()
    assert node.run("kubectl", "--kubeconfig=/etc/kubernetes/admin.conf", "get", "nodes", check=False, timeout=120).returncode
    done = node.run("pykubeadm", "certs", "renew", "all", "--output=json", timeout=400).stdout
    assert outcome(done) == "changed"
    assert not [event for event in events(done) if event["type"] == "note" and "not up yet" in event["message"]]
    cluster.wait_node_ready(node)
    assert_works(node)


# All that the cluster's CAs signed is signed again with the same names and keys, to have expired an hour ago.
_EXPIRE = """
import base64, pathlib, re, sys
from datetime import UTC, datetime, timedelta
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization

pki = pathlib.Path("/etc/kubernetes/pki")
end = datetime.now(UTC) - timedelta(hours=1)

def again(pem):
    old = x509.load_pem_x509_certificate(pem)
    for name in ("ca", "etcd/ca", "front-proxy-ca"):
        ca = x509.load_pem_x509_certificate((pki / f"{name}.crt").read_bytes())
        if ca.subject == old.issuer:
            key = serialization.load_pem_private_key((pki / f"{name}.key").read_bytes(), None)
    builder = x509.CertificateBuilder(
        issuer_name=old.issuer, subject_name=old.subject, public_key=old.public_key(), serial_number=x509.random_serial_number(),
        not_valid_before=end - timedelta(days=365), not_valid_after=end,
    )
    for extension in old.extensions:
        builder = builder.add_extension(extension.value, extension.critical)
    return builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)

for path in pki.rglob("*.crt"):
    if path.stem not in ("ca", "front-proxy-ca"):
        path.write_bytes(again(path.read_bytes()))
for path in pathlib.Path("/etc/kubernetes").glob("*.conf"):
    text = path.read_text()
    if found := re.search("client-certificate-data: (.*)", text):
        path.write_text(text.replace(found[1], base64.b64encode(again(base64.b64decode(found[1]))).decode()))
for path in pathlib.Path("/var/lib/kubelet/pki").glob("kubelet-client-2*.pem"):
    old = path.read_bytes()
    begin = old.index(b"-----BEGIN CERTIFICATE")
    stop = old.index(b"-----END CERTIFICATE-----") + len(b"-----END CERTIFICATE-----\\n")
    path.write_bytes(old[:begin] + again(old[begin:stop]) + old[stop:])
"""


def expire(node: Node) -> None:
    node.run(f"{payload.MOUNT}/bin/python", "-c", _EXPIRE)
