"""The configurations that `config print …-defaults` shows: constants filled in, placeholders for what only a machine or a
cluster knows (kubeadm: DefaultedStaticInitConfiguration, cmd/config.go)."""

from __future__ import annotations

from pykubeadm.config.defaults import DEFAULT_TOKEN_TTL, filled
from pykubeadm.config.model import (
    APIEndpoint,
    BootstrapToken,
    BootstrapTokenDiscovery,
    ClusterConfiguration,
    Configuration,
    Discovery,
    Etcd,
    InitConfiguration,
    JoinConfiguration,
    LocalEtcd,
    NodeRegistration,
    ResetConfiguration,
    UpgradeConfiguration,
)
from pykubeadm.config.versions import PRINTED_DEFAULT
from pykubeadm.constants import CRI_SOCKETS


def init_documents(token: str) -> tuple[InitConfiguration, Configuration]:
    init = InitConfiguration(
        bootstrap_tokens=(BootstrapToken(token=token, ttl=DEFAULT_TOKEN_TTL),),
        local_api_endpoint=APIEndpoint(advertise_address="1.2.3.4"),
        node_registration=NodeRegistration(name="node", cri_socket=CRI_SOCKETS[0]),
    )
    cluster = ClusterConfiguration(kubernetes_version=PRINTED_DEFAULT, etcd=Etcd(local=LocalEtcd()))
    return init, Configuration(cluster, init.this_node)


def join_document(token: str, hostname: str) -> JoinConfiguration:
    discovery = BootstrapTokenDiscovery(token=token, api_server_endpoint="kube-apiserver:6443", unsafe_skip_ca_verification=True)
    return filled(
        JoinConfiguration(
            node_registration=NodeRegistration(name=hostname.strip().lower(), cri_socket=CRI_SOCKETS[0]),
            discovery=Discovery(bootstrap_token=discovery, tls_bootstrap_token=token),
        )
    )


def reset_document() -> ResetConfiguration:
    return ResetConfiguration(cri_socket=CRI_SOCKETS[0])


def upgrade_document() -> UpgradeConfiguration:
    return UpgradeConfiguration()
