"""Clusters with IPv6, alone and beside IPv4: what is written for each family, and the addresses that nodes and pods get."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from ipaddress import ip_address
from typing import Any

import pytest
import yaml
from cryptography import x509

from lab import assets, cluster
from lab.cluster import eventually, kubectl, kubectl_json
from lab.node import Node
from tests.e2e.conftest import nodes_of
from tests.e2e.joining import certificate_key, connect, etcd_members, join_command, side_by_side

PODS, SERVICES = "10.244.0.0/16", "10.96.0.0/16"
PODS6, SERVICES6 = "fd00:10:244::/56", "fd00:10:96::/112"
Trio = tuple[Node, Node, Node]


@pytest.fixture(scope="module")
def ipv6(kubernetes: assets.Assets, request: pytest.FixtureRequest) -> Iterator[Trio]:
    """Two control planes and a worker that speak nothing but IPv6."""
    with nodes_of(kubernetes, request) as new_node:
        first = new_node("joinf")
        _init(first, kubernetes, {"podSubnet": PODS6, "serviceSubnet": SERVICES6}, [first.address6])
        second, worker = new_node("joinff"), new_node("joinfw")
        key = certificate_key(first)
        side_by_side(
            [partial(_join, first, second, [second.address6], key=key), partial(_join, first, worker, [worker.address6])]
        )
        connect(first, (first, second, worker))
        yield first, second, worker


@pytest.fixture(scope="module")
def dual(kubernetes: assets.Assets, request: pytest.FixtureRequest) -> Iterator[tuple[Node, Node]]:
    """A control plane and a worker with both families, IPv4 first."""
    with nodes_of(kubernetes, request) as new_node:
        first, worker = new_node("joinb"), new_node("joinbw")
        networking = {"podSubnet": f"{PODS},{PODS6}", "serviceSubnet": f"{SERVICES},{SERVICES6}"}
        _init(first, kubernetes, networking, [first.address, first.address6])
        _join(first, worker, [worker.address, worker.address6])
        connect(first, (first, worker))
        yield first, worker


def _init(node: Node, kubernetes: assets.Assets, networking: dict[str, str], addresses: Sequence[str]) -> None:
    if not node.address6:
        pytest.skip("the lab's network has no IPv6: there is none on this machine, or it was made before there was")
    documents = cluster.documents(kubernetes.version, addresses[0])
    documents[0].setdefault("nodeRegistration", {})["kubeletExtraArgs"] = _node_ip(addresses)
    documents[1] |= {"networking": networking, "controlPlaneEndpoint": _host_port(addresses[0])}
    node.write(cluster.CONFIG, yaml.safe_dump_all(documents, sort_keys=False))
    node.run("pykubeadm", "init", "--config", cluster.CONFIG, timeout=300)


def _join(first: Node, node: Node, addresses: Sequence[str], *, key: str = "") -> None:
    """With the words of the join command in a file, as only a file has the node's addresses."""
    endpoint, *words = join_command(first)
    flags = dict(zip(words[::2], words[1::2], strict=True))
    document: dict[str, Any] = {
        "apiVersion": "kubeadm.k8s.io/v1beta4",
        "kind": "JoinConfiguration",
        "discovery": {
            "bootstrapToken": {
                "apiServerEndpoint": endpoint,
                "token": flags["--token"],
                "caCertHashes": [flags["--discovery-token-ca-cert-hash"]],
            }
        },
        "nodeRegistration": {"ignorePreflightErrors": cluster.ignored_checks(), "kubeletExtraArgs": _node_ip(addresses)},
    }
    if key:
        document["controlPlane"] = {"localAPIEndpoint": {"advertiseAddress": addresses[0]}, "certificateKey": key}
    node.write("/root/join.yaml", yaml.safe_dump(document))
    node.run("pykubeadm", "join", "--config", "/root/join.yaml", timeout=300)


def _node_ip(addresses: Sequence[str]) -> list[dict[str, str]]:
    return [{"name": "node-ip", "value": ",".join(addresses)}]


def _host_port(address: str, port: int = 6443) -> str:
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def _internal_addresses(control_plane: Node, node: Node) -> list[str]:
    found = kubectl_json(control_plane, "get", "node", node.name)["status"]["addresses"]
    return [entry["address"] for entry in found if entry["type"] == "InternalIP"]


def _certificate_addresses(node: Node, name: str) -> set[str]:
    certificate = x509.load_pem_x509_certificate(node.read(f"/etc/kubernetes/pki/{name}.crt").encode())
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return {str(address) for address in names.get_values_for_type(x509.IPAddress)}


def _answers(node: Node, url: str) -> str | None:
    done = node.run("curl", "--silent", "--show-error", "--globoff", "--max-time", "5", "--output", "/dev/null", url, check=False)
    return None if done.returncode == 0 else done.stderr.strip()


def test_ipv6_join_commands_and_cluster_info_have_brackets(ipv6: Trio) -> None:
    first = ipv6[0]
    assert join_command(first)[0] == _host_port(first.address6)
    info = kubectl(first, "--namespace=kube-public", "get", "configmap", "cluster-info", "--output=jsonpath={.data.kubeconfig}")
    assert f"server: https://{_host_port(first.address6)}" in info


def test_ipv6_control_planes_serve_at_their_addresses(ipv6: Trio) -> None:
    first, second, _worker = ipv6
    for node in (first, second):
        assert _certificate_addresses(node, "apiserver") == {node.address6, first.address6, "fd00:10:96::1"}
        assert _certificate_addresses(node, "etcd/peer") == {node.address6, "127.0.0.1", "::1"}
        assert f"server: https://{_host_port(node.address6)}" in node.read("/etc/kubernetes/kubelet.conf")
        assert f"--advertise-address={node.address6}" in node.read("/etc/kubernetes/manifests/kube-apiserver.yaml")
        kubectl(node, f"--server=https://{_host_port(node.address6)}", "get", "--raw=/livez")


def test_ipv6_etcd_members_know_each_other_by_bracketed_urls(ipv6: Trio) -> None:
    first, second, _worker = ipv6
    members = etcd_members(first)
    assert sorted(url for member in members for url in member["peerURLs"]) == sorted(
        f"https://{_host_port(node.address6, 2380)}" for node in (first, second)
    )
    assert not any(member.get("isLearner") for member in members)
    manifest = second.read("/etc/kubernetes/manifests/etcd.yaml")
    assert f"--listen-client-urls=https://[::1]:2379,https://{_host_port(second.address6, 2379)}" in manifest
    assert f"{first.name}=https://{_host_port(first.address6, 2380)}" in manifest


def test_ipv6_nodes_and_pods_have_addresses_and_reach_services(ipv6: Trio) -> None:
    first, _second, worker = ipv6
    for node in ipv6:
        assert _internal_addresses(first, node) == [node.address6]
    _dns_answers(first, worker, ["fd00:10:96::a"], [6])


def test_dual_stack_nodes_have_both_addresses(dual: tuple[Node, Node]) -> None:
    first, worker = dual
    for node in dual:
        assert _internal_addresses(first, node) == [node.address, node.address6]
        assert len(cluster.pod_cidrs(first, node.name)) == 2
    assert _certificate_addresses(first, "apiserver") == {first.address, "10.96.0.1"}
    assert join_command(first)[0] == _host_port(first.address)
    _dns_answers(first, worker, ["10.96.0.10"], [4, 6])


def test_dual_stack_services_have_both_addresses(dual: tuple[Node, Node]) -> None:
    first, worker = dual
    service = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "dns", "namespace": "kube-system"},
        "spec": {
            "ipFamilyPolicy": "RequireDualStack",
            "selector": {"k8s-app": "kube-dns"},
            "ports": [{"port": 9153}],
        },
    }
    kubectl(first, "apply", "--filename=-", stdin=yaml.safe_dump(service))
    addresses = kubectl_json(first, "--namespace=kube-system", "get", "service", "dns")["spec"]["clusterIPs"]
    assert [ip_address(address).version for address in addresses] == [4, 6]
    _dns_answers(first, worker, addresses, [4, 6])


def _dns_answers(control_plane: Node, asking: Node, services: Sequence[str], families: Sequence[int]) -> None:
    """CoreDNS runs with an address of each family, and its metrics are read over the services from `asking`."""
    cluster.wait_rolled_out(control_plane, "daemonset/kube-proxy", "deployment/coredns")
    pods = kubectl_json(control_plane, "--namespace=kube-system", "get", "pods", "--selector=k8s-app=kube-dns")["items"]
    for pod in pods:
        assert [ip_address(entry["ip"]).version for entry in pod["status"]["podIPs"]] == families
    for service in services:
        eventually(partial(_answers, asking, f"http://{_host_port(service, 9153)}/metrics"), f"{service} from {asking.name}", 90)
