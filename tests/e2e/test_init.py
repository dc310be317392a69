"""What `pykubeadm init` leaves is a cluster that works, that kubeadm recognises, and that a second run leaves alone."""

from __future__ import annotations

import json

import pytest
import yaml

from lab import assets, cluster
from lab.cluster import eventually, kubectl, kubectl_json
from lab.imagestore import TEST_IMAGE
from lab.node import Node
from tests.e2e.conftest import NewNode
from tests.e2e.runs import events, outcome

STATIC_PODS = ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler")
TOLERATIONS = [{"operator": "Exists"}]
WEB = [
    {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web"},
        "spec": {
            "replicas": 2,
            "selector": {"matchLabels": {"app": "web"}},
            "template": {
                "metadata": {"labels": {"app": "web"}},
                "spec": {
                    "tolerations": TOLERATIONS,
                    "terminationGracePeriodSeconds": 0,
                    "containers": [
                        {
                            "name": "web",
                            "image": TEST_IMAGE,
                            "command": ["sh", "-c", "mkdir /www; hostname >/www/index.html; exec httpd -f -p 8080 -h /www"],
                            "readinessProbe": {"httpGet": {"port": 8080, "path": "/"}, "periodSeconds": 1},
                        }
                    ],
                },
            },
        },
    },
    {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "web"},
        "spec": {"selector": {"app": "web"}, "ports": [{"port": 80, "targetPort": 8080}]},
    },
]
CLIENT = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "client"},
    "spec": {
        "tolerations": TOLERATIONS,
        "terminationGracePeriodSeconds": 0,
        "containers": [
            {"name": "client", "image": TEST_IMAGE, "command": ["sleep", "3600"], "resources": {"limits": {"cpu": "200m"}}}
        ],
    },
}


@pytest.fixture(scope="module")
def workload(control_plane: Node) -> Node:
    """The control plane with a Deployment behind a Service, and a pod that asks it."""
    kubectl(control_plane, "apply", "--filename=-", stdin=yaml.safe_dump_all([*WEB, CLIENT]))
    cluster.wait_rolled_out(control_plane, "deployment/web", namespace="default")
    kubectl(control_plane, "wait", "--for=condition=Ready", "pod/client", "--timeout=120s", timeout=130)
    return control_plane


def _in_client(node: Node, *command: str) -> str:
    return kubectl(node, "exec", "client", "--", *command)


def test_the_api_is_live_and_ready(control_plane: Node) -> None:
    assert kubectl(control_plane, "get", "--raw", "/livez") == "ok"
    assert kubectl(control_plane, "get", "--raw", "/readyz") == "ok"


def test_every_static_pod_runs_and_is_ready(control_plane: Node) -> None:
    def not_ready() -> str | None:
        pods = kubectl_json(control_plane, "get", "pods", "--namespace=kube-system", "--selector=tier=control-plane")["items"]
        ready = {
            pod["metadata"]["labels"]["component"]
            for pod in pods
            if pod["status"]["phase"] == "Running"
            and any(condition["type"] == "Ready" and condition["status"] == "True" for condition in pod["status"]["conditions"])
        }
        return None if ready == set(STATIC_PODS) else f"ready are {sorted(ready)}"

    eventually(not_ready, "four ready static pods", 60)


def test_addons_roll_out_once_there_is_a_pod_network(control_plane: Node) -> None:
    cluster.wait_rolled_out(control_plane, "daemonset/kube-proxy", "deployment/coredns")


def test_a_service_answers_and_its_name_resolves(workload: Node) -> None:
    def unanswered() -> str | None:
        answer = _in_client(workload, "wget", "-q", "-T", "5", "-O", "-", "http://web.default.svc.cluster.local/")
        return None if answer.startswith("web-") else answer

    eventually(unanswered, "an answer of the service", 90)
    address = kubectl(workload, "get", "service", "web", "--output=jsonpath={.spec.clusterIP}")
    assert address in _in_client(workload, "nslookup", "web.default.svc.cluster.local")


def test_a_cpu_limit_of_a_fifth_is_the_cgroup_s_quota(workload: Node) -> None:
    script = (
        "cat /sys/fs/cgroup/cpu.max 2>/dev/null || cat /sys/fs/cgroup/cpu/cpu.cfs_quota_us /sys/fs/cgroup/cpu/cpu.cfs_period_us"
    )
    quota, period = _in_client(workload, "sh", "-c", script).split()
    assert int(quota) / int(period) == 0.2


def test_logs_come_through_the_kubelet(workload: Node) -> None:
    """The API server's client certificate is accepted by the kubelet."""
    name = kubectl(workload, "get", "pods", "--selector=app=web", "--output=jsonpath={.items[0].metadata.name}")
    assert kubectl(workload, "logs", name) == ""
    assert kubectl(workload, "logs", "--namespace=kube-system", f"kube-scheduler-{workload.name}") != ""


def test_the_kubelet_s_certificate_is_its_own_to_renew(control_plane: Node) -> None:
    kubeconfig = yaml.safe_load(control_plane.read("/etc/kubernetes/kubelet.conf"))
    [user] = kubeconfig["users"]
    assert user["user"] == dict.fromkeys(("client-certificate", "client-key"), "/var/lib/kubelet/pki/kubelet-client-current.pem")


def test_kubeadm_recognises_the_cluster(control_plane: Node, kubernetes: assets.Assets) -> None:
    if kubernetes.program("kubeadm") is None:
        pytest.skip(f"there is no kubeadm in {kubernetes.bin}")
    expiry = control_plane.run("kubeadm", "certs", "check-expiration", "--output=json").stdout
    listed = json.loads(expiry[expiry.index("{") :])
    assert {entry["name"] for entry in listed["certificates"]} >= {"admin.conf", "apiserver", "etcd-server", "super-admin.conf"}
    assert all(not entry["missing"] and entry["residualTime"] > 300 * 86400 for entry in listed["certificates"])
    assert {entry["name"] for entry in listed["certificateAuthorities"]} == {"ca", "etcd-ca", "front-proxy-ca"}
    tokens = control_plane.run("kubeadm", f"--kubeconfig={cluster.ADMIN_KUBECONFIG}", "token", "list").stdout
    assert "system:bootstrappers:kubeadm:default-node-token" in tokens
    uploaded = kubectl(
        control_plane,
        "get",
        "configmap",
        "kubeadm-config",
        "--namespace=kube-system",
        "--output=jsonpath={.data.ClusterConfiguration}",
    )
    control_plane.write("/root/uploaded.yaml", uploaded)
    control_plane.run("kubeadm", "config", "validate", "--config=/root/uploaded.yaml")
    major, minor, patch = kubernetes.version.split(".")
    newer = f"{major}.{minor}.{int(patch) + 1}"
    plan = control_plane.run("kubeadm", "upgrade", "plan", newer, timeout=120)
    assert f"kubeadm upgrade apply {newer}" in plan.stdout
    assert "FATAL" not in plan.stderr


def test_a_second_run_changes_nothing_and_says_so(control_plane: Node) -> None:
    state = (
        "find /etc/kubernetes /var/lib/kubelet/config.yaml /var/lib/kubelet/kubeadm-flags.env -printf '%p %T@ %m %i\\n' | sort;"
        " crictl pods --quiet --no-trunc --state ready --namespace kube-system | sort; systemctl show -p MainPID kubelet"
    )
    before = control_plane.shell(state)
    kinds = (
        "configmaps,secrets,roles,clusterroles,rolebindings,clusterrolebindings,serviceaccounts,services,deployments,daemonsets"
    )
    row = "{.metadata.namespace}/{.metadata.name} {.metadata.generation} {.metadata.uid}{'\\n'}"
    listing = ("get", kinds, "--all-namespaces", f"--output=jsonpath={{range .items[*]}}{row}{{end}}")
    objects_before = kubectl(control_plane, *listing)
    done = control_plane.run("pykubeadm", "init", "--config", cluster.CONFIG, "--output=json", timeout=120)
    assert [event["phase"] for event in events(done.stdout) if event.get("outcome") == "changed" and "phase" in event] == []
    assert outcome(done.stdout) == "unchanged"
    assert control_plane.shell(state) == before
    assert kubectl(control_plane, *listing) == objects_before


def test_a_node_that_lost_its_power_comes_back(new_node: NewNode, kubernetes: assets.Assets) -> None:
    node = new_node("power")
    node.write(cluster.CONFIG, cluster.config(kubernetes, node))
    node.run("pykubeadm", "init", "--config", cluster.CONFIG, timeout=300)
    node.power_off()
    node.power_on()

    def not_live() -> str | None:
        live = kubectl(node, "get", "--raw", "/livez")
        return None if live == "ok" else live

    eventually(not_live, "a live API after power came back", 300)
