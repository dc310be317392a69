"""The static pod of kube-controller-manager (kubeadm: phases/controlplane/manifests.go)."""

from __future__ import annotations

from posixpath import normpath

from pykubeadm.config.host import HostFacts
from pykubeadm.config.model import ClusterConfiguration, Timeouts
from pykubeadm.config.versions import kubernetes_image
from pykubeadm.constants import CONTROLLER_MANAGER_PORT, KUBERNETES_DIR
from pykubeadm.manifests.arguments import command_line
from pykubeadm.manifests.static_pod import Component, Health, Pod, bind_address_host, by_name, environment, static_pod
from pykubeadm.manifests.volumes import certificate_mounts, kubeconfig_mount

NAME = "kube-controller-manager"

_KUBECONFIG = f"{KUBERNETES_DIR}/controller-manager.conf"


def controller_manager_pod(cluster: ClusterConfiguration, timeouts: Timeouts, host: HostFacts, *, external_ca: bool) -> Pod:
    """The manifest. With an external CA (ca.crt without ca.key) the signing controller is left without a key, so it stays off."""
    extra = cluster.controller_manager
    return static_pod(
        Component(
            name=NAME,
            image=kubernetes_image(NAME, cluster),
            command=[NAME, *command_line(_arguments(cluster, external_ca=external_ca), extra.extra_args)],
            health=Health(
                host=bind_address_host(extra.extra_args),
                port=CONTROLLER_MANAGER_PORT,
                live="/healthz",
                ready="",
                started="/healthz",
            ),
            mounts=by_name([*certificate_mounts(cluster, host), kubeconfig_mount(_KUBECONFIG)], extra.extra_volumes),
            requests={"cpu": "200m"},
            env=environment(host.proxy_env, extra.extra_envs),
        ),
        timeouts,
    )


def _arguments(cluster: ClusterConfiguration, *, external_ca: bool) -> dict[str, str]:
    pki, networking = normpath(cluster.certificates_dir), cluster.networking
    arguments = {
        "authentication-kubeconfig": _KUBECONFIG,
        "authorization-kubeconfig": _KUBECONFIG,
        "bind-address": "127.0.0.1",
        "client-ca-file": f"{pki}/ca.crt",
        "cluster-signing-cert-file": "" if external_ca else f"{pki}/ca.crt",
        "cluster-signing-key-file": "" if external_ca else f"{pki}/ca.key",
        "controllers": "*,bootstrapsigner,tokencleaner",
        "kubeconfig": _KUBECONFIG,
        "leader-elect": "true",
        "requestheader-client-ca-file": f"{pki}/front-proxy-ca.crt",
        "root-ca-file": f"{pki}/ca.crt",
        "service-account-private-key-file": f"{pki}/sa.key",
        "use-service-account-credentials": "true",
    }
    if cluster.cluster_name:
        arguments["cluster-name"] = cluster.cluster_name
    if networking.pod_subnet:
        arguments |= {"allocate-node-cidrs": "true", "cluster-cidr": networking.pod_subnet}
        if networking.service_subnet:
            arguments["service-cluster-ip-range"] = networking.service_subnet
    return arguments
