"""Workers that `pykubeadm join` adds: at the same time, with everything that pods need; a second run leaves them alone."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import pytest
import yaml

from lab import assets, cluster
from lab.cluster import eventually, kubectl, kubectl_json
from lab.imagestore import TEST_IMAGE
from lab.node import Node
from tests.e2e.conftest import NewNode, nodes_of
from tests.e2e.joining import connect, fingerprint, first_control_plane, join, join_command, side_by_side
from tests.e2e.runs import outcome

Trio = tuple[Node, Node, Node]


@pytest.fixture(scope="module")
def trio(kubernetes: assets.Assets, request: pytest.FixtureRequest) -> Iterator[Trio]:
    """A control plane and two workers that joined at the same time; each after a dry run that changed nothing."""
    with nodes_of(kubernetes, request) as new_node:
        control_plane = first_control_plane(new_node, kubernetes, "join")
        first, second = new_node("joinw"), new_node("joinx")
        words = join_command(control_plane)
        before = fingerprint(first)
        shown = join(first, words, "--dry-run")
        assert "/etc/kubernetes/bootstrap-kubelet.conf" in shown
        assert words[words.index("--token") + 1] not in shown
        assert fingerprint(first) == before
        side_by_side([partial(join, node, words) for node in (first, second)])
        connect(control_plane, (control_plane, first, second))
        cluster.wait_rolled_out(control_plane, "daemonset/kube-proxy", "deployment/coredns")
        yield control_plane, first, second


def test_both_are_ready_under_their_addresses(trio: Trio) -> None:
    control_plane, *workers = trio
    for worker in workers:
        eventually(partial(_tainted, control_plane, worker.name), f"no taints of {worker.name}", 60)
        found = kubectl_json(control_plane, "get", "node", worker.name)
        assert {"type": "InternalIP", "address": worker.address} in found["status"]["addresses"]
        assert "node-role.kubernetes.io/control-plane" not in found["metadata"]["labels"]


def _tainted(control_plane: Node, name: str) -> str | None:
    """That it was not ready is taken away some seconds after it is."""
    taints = kubectl_json(control_plane, "get", "node", name)["spec"].get("taints")
    return f"it has {taints}" if taints else None


def test_the_token_left_the_disk_and_the_kubelet_has_its_own_certificate(trio: Trio) -> None:
    for worker in trio[1:]:
        assert not worker.exists("/etc/kubernetes/bootstrap-kubelet.conf")
        assert "kubelet-client-current.pem" in worker.read("/etc/kubernetes/kubelet.conf")
        assert worker.shell("stat -c %a /etc/kubernetes/kubelet.conf /etc/kubernetes/pki/ca.crt").split() == ["600", "644"]


def test_a_second_run_changes_nothing(trio: Trio) -> None:
    control_plane, worker, _ = trio
    words = join_command(control_plane)
    before = fingerprint(worker)
    assert outcome(join(worker, words, "--output=json")) == "unchanged"
    assert fingerprint(worker) == before


def test_pods_services_and_names_are_reached_from_each_node(trio: Trio) -> None:
    control_plane, *workers = trio
    pods = [_web(worker) for worker in workers]
    service = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "web"},
        "spec": {"selector": {"app": "web"}, "ports": [{"port": 80, "targetPort": 8080}]},
    }
    kubectl(control_plane, "apply", "--filename=-", stdin=yaml.safe_dump_all([*pods, service]))
    names = [pod["metadata"]["name"] for pod in pods]
    kubectl(control_plane, "wait", "--for=condition=Ready", *(f"pod/{name}" for name in names), "--timeout=90s", timeout=100)
    addresses = [kubectl(control_plane, "get", "pod", name, "--output=jsonpath={.status.podIP}") for name in names]
    cluster_ip = kubectl(control_plane, "get", "service", "web", "--output=jsonpath={.spec.clusterIP}")
    for name in names:
        for address in (*(f"{address}:8080" for address in addresses), cluster_ip):
            eventually(partial(_fetch, control_plane, name, address), f"{address} from {name}", 90)
        eventually(partial(_unresolved, control_plane, name, cluster_ip), f"the service's name from {name}", 90)


def _unresolved(control_plane: Node, pod: str, address: str) -> str | None:
    """CoreDNS hears of a new service a moment later."""
    said = kubectl(control_plane, "exec", pod, "--", "nslookup", "web.default.svc.cluster.local", check=False)
    return None if address in said else f"it answers {said!r}"


def _web(node: Node) -> dict[str, object]:
    """A pod on `node` that serves its name, and can fetch the others'."""
    container = {
        "name": "web",
        "image": TEST_IMAGE,
        "command": ["sh", "-c", "mkdir /www; hostname >/www/index.html; exec httpd -f -p 8080 -h /www"],
        "readinessProbe": {"httpGet": {"port": 8080, "path": "/"}, "periodSeconds": 1},
    }
    spec = {"nodeName": node.name, "terminationGracePeriodSeconds": 0, "containers": [container]}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": f"web-{node.name}", "labels": {"app": "web"}}, "spec": spec}


def _fetch(control_plane: Node, pod: str, address: str) -> str | None:
    host, _, port = address.partition(":")
    # Debian's busybox crashes in wget, so the request is written by hand.
    ask = f"printf 'GET / HTTP/1.0\\r\\n\\r\\n' | nc -w 3 {host} {port or 80}"
    said = kubectl(control_plane, "exec", pod, "--", "sh", "-c", ask, check=False)
    return None if "200 OK" in said and "web-" in said else f"it answered {said!r}"


def test_what_is_wanted_of_the_node_is_on_the_node(trio: Trio, new_node: NewNode) -> None:
    """Name, taints, node IP, kubelet arguments and patches of a JoinConfiguration."""
    control_plane = trio[0]
    worker = new_node("joiny")
    endpoint, *words = join_command(control_plane)
    flags = dict(zip(words[::2], words[1::2], strict=True))
    document = {
        "apiVersion": "kubeadm.k8s.io/v1beta4",
        "kind": "JoinConfiguration",
        "discovery": {
            "bootstrapToken": {
                "apiServerEndpoint": endpoint,
                "token": flags["--token"],
                "caCertHashes": [flags["--discovery-token-ca-cert-hash"]],
            }
        },
        "nodeRegistration": {
            "name": "worker-by-name",
            "ignorePreflightErrors": cluster.ignored_checks(),
            "taints": [{"key": "dedicated", "value": "gpu", "effect": "NoSchedule"}],
            "kubeletExtraArgs": [{"name": "node-ip", "value": worker.address}, {"name": "node-labels", "value": "rack=r1"}],
        },
        "patches": {"directory": "/root/patches"},
    }
    worker.write("/root/patches/kubeletconfiguration0+merge.json", '{"maxPods": 33}')
    worker.write("/root/join.yaml", yaml.safe_dump(document))
    worker.run("pykubeadm", "join", "--config", "/root/join.yaml", timeout=200)
    # The kubelet registers itself as soon as it has its certificate, and join, like kubeadm's, waits for that only.
    kubectl(control_plane, "wait", "--for=create", "node/worker-by-name", "--timeout=120s", timeout=130)
    found = kubectl_json(control_plane, "get", "node", "worker-by-name")
    assert {"key": "dedicated", "value": "gpu", "effect": "NoSchedule"} in found["spec"]["taints"]
    assert found["metadata"]["labels"]["rack"] == "r1"
    assert found["status"]["capacity"]["pods"] == "33"
    assert {"type": "InternalIP", "address": worker.address} in found["status"]["addresses"]
    kubectl(control_plane, "delete", "node", "worker-by-name")
