"""The static pod of kube-apiserver (kubeadm: phases/controlplane/manifests.go)."""

from __future__ import annotations

from collections.abc import Callable
from posixpath import normpath

from pykubeadm.config.host import HostFacts
from pykubeadm.config.model import APIEndpoint, ClusterConfiguration, ExternalEtcd, Timeouts
from pykubeadm.config.versions import kubernetes_image
from pykubeadm.constants import ENDPOINT_ANNOTATION
from pykubeadm.manifests.addresses import etcd_client_url, loopback
from pykubeadm.manifests.arguments import command_line, last_value
from pykubeadm.manifests.static_pod import Component, Health, Pod, by_name, environment, probe_host, static_pod
from pykubeadm.manifests.volumes import certificate_mounts, external_etcd_mounts
from pykubeadm.util.ip import join_host_port

NAME = "kube-apiserver"

_DEFAULT_MODES = "Node,RBAC"
_MODES = ("Node", "RBAC", "Webhook", "ABAC", "AlwaysAllow", "AlwaysDeny")


def apiserver_pod(
    cluster: ClusterConfiguration, endpoint: APIEndpoint, timeouts: Timeouts, host: HostFacts, note: Callable[[str, str], None]
) -> Pod:
    """The manifest for the node with this endpoint; `note(level, message)` hears of authorization modes that are unusual."""
    external = cluster.etcd.external
    extra = cluster.api_server
    mounts = certificate_mounts(cluster, host)
    if external:
        mounts += external_etcd_mounts(external, cluster.certificates_dir)
    arguments = _arguments(cluster, endpoint) | _etcd_arguments(cluster, endpoint)
    if last_value(extra.extra_args, "authorization-config") is None:
        wanted = last_value(extra.extra_args, "authorization-mode")
        arguments["authorization-mode"] = _DEFAULT_MODES
        _note_modes(wanted, note)
    return static_pod(
        Component(
            name=NAME,
            image=kubernetes_image(NAME, cluster),
            command=[NAME, *command_line(arguments, extra.extra_args)],
            health=Health(
                host=probe_host(endpoint.advertise_address),
                port=endpoint.bind_port,
                live="/livez",
                ready="/readyz",
                started="/livez",
            ),
            mounts=by_name(mounts, extra.extra_volumes),
            requests={"cpu": "250m"},
            env=environment(host.proxy_env, extra.extra_envs),
            annotations={ENDPOINT_ANNOTATION: join_host_port(endpoint.advertise_address, endpoint.bind_port)},
        ),
        timeouts,
    )


def _arguments(cluster: ClusterConfiguration, endpoint: APIEndpoint) -> dict[str, str]:
    pki = normpath(cluster.certificates_dir)
    return {
        "advertise-address": endpoint.advertise_address,
        "allow-privileged": "true",
        "client-ca-file": f"{pki}/ca.crt",
        "enable-admission-plugins": "NodeRestriction",
        "enable-bootstrap-token-auth": "true",
        "kubelet-client-certificate": f"{pki}/apiserver-kubelet-client.crt",
        "kubelet-client-key": f"{pki}/apiserver-kubelet-client.key",
        "kubelet-preferred-address-types": "InternalIP,ExternalIP,Hostname",
        "proxy-client-cert-file": f"{pki}/front-proxy-client.crt",
        "proxy-client-key-file": f"{pki}/front-proxy-client.key",
        "requestheader-allowed-names": "front-proxy-client",
        "requestheader-client-ca-file": f"{pki}/front-proxy-ca.crt",
        "requestheader-extra-headers-prefix": "X-Remote-Extra-",
        "requestheader-group-headers": "X-Remote-Group",
        "requestheader-username-headers": "X-Remote-User",
        "secure-port": str(endpoint.bind_port),
        "service-account-issuer": f"https://kubernetes.default.svc.{cluster.networking.dns_domain}",
        "service-account-key-file": f"{pki}/sa.pub",
        "service-account-signing-key-file": f"{pki}/sa.key",
        "service-cluster-ip-range": cluster.networking.service_subnet,
        "tls-cert-file": f"{pki}/apiserver.crt",
        "tls-private-key-file": f"{pki}/apiserver.key",
    }


def _etcd_arguments(cluster: ClusterConfiguration, endpoint: APIEndpoint) -> dict[str, str]:
    external = cluster.etcd.external
    if external:
        return _external_etcd_arguments(external)
    pki = normpath(cluster.certificates_dir)
    advertised = last_value(cluster.etcd.local.extra_args, "advertise-client-urls") if cluster.etcd.local else None
    return {
        "etcd-servers": etcd_client_url(loopback(endpoint)) if advertised is None else advertised,
        "etcd-cafile": f"{pki}/etcd/ca.crt",
        "etcd-certfile": f"{pki}/apiserver-etcd-client.crt",
        "etcd-keyfile": f"{pki}/apiserver-etcd-client.key",
    }


def _external_etcd_arguments(external: ExternalEtcd) -> dict[str, str]:
    arguments = {"etcd-servers": ",".join(external.endpoints)}
    if external.ca_file:
        arguments["etcd-cafile"] = external.ca_file
    if external.cert_file and external.key_file:
        arguments |= {"etcd-certfile": external.cert_file, "etcd-keyfile": external.key_file}
    return arguments


def _note_modes(wanted: str | None, note: Callable[[str, str], None]) -> None:
    """Say which of the user's modes are unknown or not the usual ones; they are passed on as they are, as by kubeadm."""
    if not wanted or wanted == _DEFAULT_MODES:
        return
    for mode in wanted.split(","):
        if mode not in _MODES:
            note("warning", f'apiServer.extraArgs: "{mode}" is not an authorization mode; known are {", ".join(_MODES)}')
    note("warning", f"apiServer.extraArgs: authorization-mode is {wanted}; recommended is {_DEFAULT_MODES}")
