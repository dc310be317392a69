"""The static pod of a local etcd member (kubeadm: phases/etcd/local.go)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from posixpath import normpath
from urllib.parse import urlsplit

from pykubeadm.config.model import APIEndpoint, ClusterConfiguration, LocalEtcd, Timeouts
from pykubeadm.config.versions import etcd_image, etcd_is_3_5, etcd_tag
from pykubeadm.constants import ETCD_METRICS_PORT
from pykubeadm.manifests.addresses import etcd_client_url, etcd_peer_url, loopback
from pykubeadm.manifests.arguments import command_line, last_value
from pykubeadm.manifests.static_pod import Component, Health, Mount, Pod, environment, static_pod
from pykubeadm.util.dataclass import dataclass
from pykubeadm.util.ip import join_host_port, split_host_port

NAME = "etcd"
CLIENT_URLS_ANNOTATION = "kubeadm.kubernetes.io/etcd.advertise-client-urls"


@dataclass(frozen=True, slots=True)
class InitialMember:
    """A member of the etcd cluster, as etcd's member list has it."""

    name: str
    peer_url: str


def etcd_pod(
    cluster: ClusterConfiguration,
    endpoint: APIEndpoint,
    node_name: str,
    timeouts: Timeouts,
    members: Sequence[InitialMember] = (),
) -> Pod:
    """The manifest for this node's member. `members` are those of the cluster it joins, with itself; none: it begins one."""
    local = cluster.etcd.local or LocalEtcd()
    certificates = f"{cluster.certificates_dir}/etcd"
    arguments = _arguments(cluster, local, endpoint, node_name) | _version_arguments(etcd_tag(cluster))
    if members:
        arguments["initial-cluster"] = ",".join(f"{member.name}={member.peer_url}" for member in members)
        arguments["initial-cluster-state"] = "existing"
    return static_pod(
        Component(
            name=NAME,
            image=etcd_image(cluster),
            command=[NAME, *command_line(arguments, local.extra_args)],
            health=_health(local, endpoint),
            mounts=[
                Mount("etcd-data", local.data_dir, local.data_dir, read_only=False),
                Mount("etcd-certs", certificates, certificates, read_only=False),
            ],
            requests={"cpu": "100m", "memory": "100Mi"},
            env=environment({}, local.extra_envs),
            annotations={CLIENT_URLS_ANNOTATION: etcd_client_url(endpoint.advertise_address)},
        ),
        timeouts,
    )


def _arguments(cluster: ClusterConfiguration, local: LocalEtcd, endpoint: APIEndpoint, node_name: str) -> dict[str, str]:
    certificates = f"{normpath(cluster.certificates_dir)}/etcd"
    client, peer = etcd_client_url(endpoint.advertise_address), etcd_peer_url(endpoint.advertise_address)
    return {
        "advertise-client-urls": client,
        "cert-file": f"{certificates}/server.crt",
        "client-cert-auth": "true",
        "data-dir": local.data_dir,
        "initial-advertise-peer-urls": peer,
        "initial-cluster": f"{node_name}={peer}",
        "key-file": f"{certificates}/server.key",
        "listen-client-urls": f"{etcd_client_url(loopback(endpoint))},{client}",
        "listen-metrics-urls": f"http://{join_host_port(loopback(endpoint), ETCD_METRICS_PORT)}",
        "listen-peer-urls": peer,
        "name": node_name,
        "peer-cert-file": f"{certificates}/peer.crt",
        "peer-client-cert-auth": "true",
        "peer-key-file": f"{certificates}/peer.key",
        "peer-trusted-ca-file": f"{certificates}/ca.crt",
        "snapshot-count": "10000",
        "trusted-ca-file": f"{certificates}/ca.crt",
    }


def _version_arguments(tag: str) -> dict[str, str]:
    """What etcd 3.6 spells otherwise: 3.5 knows no --feature-gates (https://etcd.io/docs/v3.6/upgrades/upgrade_3_6/)."""
    if etcd_is_3_5(tag):
        return {"experimental-initial-corrupt-check": "true", "experimental-watch-progress-notify-interval": "5s"}
    return {"feature-gates": "InitialCorruptCheck=true", "watch-progress-notify-interval": "5s"}


def _health(local: LocalEtcd, endpoint: APIEndpoint) -> Health:
    """The first of the metrics URLs, of which a part that is missing is the default's; all is, where it cannot be read."""
    default = Health(
        host=loopback(endpoint), port=ETCD_METRICS_PORT, live="/livez", ready="/readyz", started="/readyz", scheme="HTTP"
    )
    text = (last_value(local.extra_args, "listen-metrics-urls") or "").partition(",")[0]
    try:
        url = urlsplit(text)
    except ValueError:
        return default
    host, port = split_host_port(url.netloc.rpartition("@")[2])
    if " " in text or (port and not port.isdecimal()):
        return default
    return replace(
        default,
        host=host or default.host,
        port=int(port) if port and 0 < int(port) < 65536 else default.port,
        scheme="HTTPS" if url.scheme == "https" else default.scheme,
    )
