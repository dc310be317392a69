"""kube-proxy, which makes Services reachable on every node (kubeadm: phases/addons/proxy, componentconfigs/kubeproxy.go)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from pykubeadm.config.endpoint import control_plane_url
from pykubeadm.config.model import Configuration
from pykubeadm.config.versions import kubernetes_image
from pykubeadm.resources import render
from pykubeadm.util.api_types import canonical
from pykubeadm.util.component_config import hash_annotation
from pykubeadm.util.yaml_output import to_yaml

Note = Callable[[str, str], None]  # level, message

API_VERSION = "kubeproxy.config.k8s.io/v1alpha1"
KIND = "KubeProxyConfiguration"

_KUBECONFIG = "/var/lib/kube-proxy/kubeconfig.conf"
# Reads its CA and token from the pod's own service account.
_KUBECONFIG_TEXT = """\
apiVersion: v1
kind: Config
clusters:
- cluster:
    certificate-authority: /var/run/secrets/kubernetes.io/serviceaccount/ca.crt
    server: {server}
  name: default
contexts:
- context:
    cluster: default
    namespace: default
    user: default
  name: default
current-context: default
users:
- name: default
  user:
    tokenFile: /var/run/secrets/kubernetes.io/serviceaccount/token"""


def kube_proxy(configuration: Configuration, proxy_env: Mapping[str, str], note: Note) -> list[dict[str, Any]]:
    """ServiceAccount, ClusterRoleBinding, Role, RoleBinding, ConfigMap, DaemonSet.

    `proxy_env` are the *_proxy variables the containers get. `note(level, message)` hears of values that kubeadm warns about.
    """
    data = {  # byte for byte as in kubeadm's template, whose texts end without a newline: what neither tool changed is no change
        "config.conf": to_yaml(kube_proxy_configuration(configuration, note)).rstrip("\n"),
        "kubeconfig.conf": _KUBECONFIG_TEXT.format(server=control_plane_url(configuration)),
    }
    documents = render(
        "addons/kube-proxy.yaml.j2",
        data=data,
        image=kubernetes_image("kube-proxy", configuration.cluster),
        proxy_env=proxy_env,
    )
    if not configuration.kube_proxy:
        for document in documents:
            if document["kind"] == "ConfigMap":
                document["metadata"]["annotations"] = hash_annotation(data)
    return documents


def kube_proxy_configuration(configuration: Configuration, note: Note) -> dict[str, Any]:
    """The KubeProxyConfiguration: the user's document, completed with what kubeadm sets where it says nothing."""
    document: dict[str, Any] = canonical(KIND, configuration.kube_proxy) | {"apiVersion": API_VERSION, "kind": KIND}
    is_ipv6 = ":" in configuration.this_node.local_api_endpoint.advertise_address
    recommended = {
        "bindAddress": (document, "::" if is_ipv6 else "0.0.0.0"),  # noqa: S104 - what kube-proxy shall listen on
        "clusterCIDR": (document, configuration.cluster.networking.pod_subnet),
        "clientConnection.kubeconfig": (document["clientConnection"], _KUBECONFIG),
    }
    for path, (parent, value) in recommended.items():
        name = path.rpartition(".")[2]
        if not parent[name]:
            parent[name] = value
        elif value and parent[name] != value:
            note("warning", f"{KIND}: {path} is {parent[name]}; recommended is {value}")
    return document
