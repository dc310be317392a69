"""A cluster, seen from outside: what its API says, and what lies on its nodes."""

import json
import time

import pytest

CONF = "/etc/kubernetes/admin.conf"
API_SERVICE = "10.96.0.1"
# RFC 1035: an A query for the API server's service, sent to CoreDNS' service; the answer's last four bytes are the address.
ASK_COREDNS = """
import socket
name = b"".join(bytes([len(part)]) + part for part in b"kubernetes.default.svc.cluster.local".split(b".")) + bytes(1)
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asker:
    asker.settimeout(5)
    asker.sendto(bytes([0, 1, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0]) + name + bytes([0, 1, 0, 1]), ("10.96.0.10", 53))
    print(socket.inet_ntoa(asker.recv(512)[-4:]))
"""


@pytest.fixture
def is_control_plane(host):
    return host.file(CONF).exists


def test_the_kubelet_runs_with_a_certificate_of_its_own(host):
    assert host.service("kubelet").is_running
    assert host.service("kubelet").is_enabled
    assert host.file("/etc/kubernetes/kubelet.conf").mode == 0o600
    assert host.file("/var/lib/kubelet/pki/kubelet-client-current.pem").exists


def test_no_token_is_left_on_the_disk(host):
    assert not host.file("/etc/kubernetes/bootstrap-kubelet.conf").exists


def test_every_node_is_ready(host, is_control_plane):
    if not is_control_plane:
        pytest.skip("asked on control planes")
    end = time.monotonic() + 120
    while True:
        nodes = json.loads(host.check_output(f"kubectl --kubeconfig {CONF} get nodes --output json"))["items"]
        ready = [node for node in nodes if {"Ready": "True"}.items() <= _conditions(node).items()]
        if len(ready) == len(nodes) > 1:
            return
        assert time.monotonic() < end, f"{len(ready)} of {len(nodes)} nodes are Ready"
        time.sleep(1)


def test_the_control_planes_pods_run(host, is_control_plane):
    if not is_control_plane:
        pytest.skip("asked on control planes")
    name = host.check_output("hostname")
    for component in ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler"):
        phase = f"kubectl --kubeconfig {CONF} -n kube-system get pod {component}-{name} -o jsonpath={{.status.phase}}"
        assert host.check_output(phase) == "Running"


def test_coredns_is_rolled_out(host, is_control_plane):
    if not is_control_plane:
        pytest.skip("asked on control planes")
    host.check_output(f"kubectl --kubeconfig {CONF} -n kube-system rollout status deployment/coredns --timeout=300s")


def test_pods_are_reached_over_their_service(host):
    """CoreDNS runs on some node; its service's address leads there from each, and the cluster's names are known."""
    end = time.monotonic() + 60
    while (answer := host.run("python3 -c %s", ASK_COREDNS).stdout.strip()) != API_SERVICE:
        assert time.monotonic() < end, f"kubernetes.default is {answer or 'not known'}"
        time.sleep(1)


def _conditions(node):
    return {condition["type"]: condition["status"] for condition in node["status"]["conditions"]}
