from __future__ import annotations

from dataclasses import replace
from typing import Any

import yaml

from pykubeadm.addons.coredns import coredns
from pykubeadm.addons.kube_proxy import kube_proxy, kube_proxy_configuration
from pykubeadm.addons.printing import print_manifest
from pykubeadm.config.model import Configuration, Networking
from pykubeadm.util.component_config import HASH_ANNOTATION
from tests.support.init_runs import configuration


def of_kind(documents: list[dict[str, Any]], kind: str) -> dict[str, Any]:
    return next(document for document in documents if document["kind"] == kind)


def silent(_level: str, _message: str) -> None:
    return


def test_a_scaled_name_server_stays_scaled() -> None:
    assert of_kind(coredns(configuration().cluster, 7), "Deployment")["spec"]["replicas"] == 7


def test_pods_come_after_what_they_need() -> None:
    kinds = [document["kind"] for document in coredns(configuration().cluster)]
    assert kinds.index("ServiceAccount") < kinds.index("Deployment")
    assert kinds.index("ConfigMap") < kinds.index("Deployment")


def test_the_name_server_serves_the_clusters_domain() -> None:
    cluster = configuration(networking=Networking(dns_domain="k8s.example.org", service_subnet="fd00::/112")).cluster
    documents = coredns(cluster)
    assert "kubernetes k8s.example.org in-addr.arpa" in of_kind(documents, "ConfigMap")["data"]["Corefile"]
    assert of_kind(documents, "Service")["spec"]["clusterIP"] == "fd00::a"


def test_the_proxy_gets_the_nodes_proxy_variables() -> None:
    documents = kube_proxy(configuration(), {"no_proxy": "x", "HTTPS_PROXY": "y"}, silent)
    container = of_kind(documents, "DaemonSet")["spec"]["template"]["spec"]["containers"][0]
    assert {variable["name"]: variable.get("value") for variable in container["env"]} == {
        "NODE_NAME": None,
        "HTTPS_PROXY": "y",
        "no_proxy": "x",
    }


def with_proxy(**user: Any) -> Configuration:
    return replace(configuration(networking=Networking(pod_subnet="10.244.0.0/16")), kube_proxy=user)


def test_only_a_generated_proxy_configuration_is_marked() -> None:
    assert HASH_ANNOTATION in of_kind(kube_proxy(with_proxy(), {}, silent), "ConfigMap")["metadata"]["annotations"]
    assert "annotations" not in of_kind(kube_proxy(with_proxy(mode="nftables"), {}, silent), "ConfigMap")["metadata"]


def test_proxy_values_of_the_users_stay_and_are_reported() -> None:
    notes: list[str] = []
    user = with_proxy(clusterCIDR="10.1.0.0/16", bindAddress="10.0.0.9")
    document = kube_proxy_configuration(user, lambda _level, message: notes.append(message))
    assert document["clusterCIDR"] == "10.1.0.0/16"
    assert notes == [
        "KubeProxyConfiguration: bindAddress is 10.0.0.9; recommended is 0.0.0.0",
        "KubeProxyConfiguration: clusterCIDR is 10.1.0.0/16; recommended is 10.244.0.0/16",
    ]


def test_the_proxy_listens_on_ipv6_where_the_api_server_does() -> None:
    assert kube_proxy_configuration(configuration(address="fd00::9"), silent)["bindAddress"] == "::"


def test_what_is_printed_is_not_marked_and_reads_back() -> None:
    documents = kube_proxy(with_proxy(), {}, silent)
    printed = list(yaml.safe_load_all(print_manifest(documents)))
    assert [document["kind"] for document in printed] == [document["kind"] for document in documents]
    assert HASH_ANNOTATION not in print_manifest(documents)


def test_the_proxys_texts_are_kubeadms_to_the_byte() -> None:
    """Its template's order of keys, and no newline at the end: what kubeadm writes in an upgrade is no change to us."""
    data = of_kind(kube_proxy(with_proxy(), {}, silent), "ConfigMap")["data"]
    assert data["config.conf"].startswith("apiVersion: kubeproxy.config.k8s.io/v1alpha1\nbindAddress: 0.0.0.0\n")
    assert data["config.conf"].endswith('\n  sourceVip: ""')
    assert data["kubeconfig.conf"].startswith("apiVersion: v1\nkind: Config\nclusters:\n- cluster:\n    certificate-authority: /")
    assert data["kubeconfig.conf"].endswith("\n    tokenFile: /var/run/secrets/kubernetes.io/serviceaccount/token")
    assert yaml.safe_load(data["kubeconfig.conf"])["clusters"][0]["cluster"]["server"] == "https://10.0.0.9:6443"
