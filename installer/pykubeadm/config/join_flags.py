"""The JoinConfiguration that flags give in place of a file (kubeadm: cmd/join.go, newJoinData)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Any

from pykubeadm.config.model import (
    APIEndpoint,
    BootstrapTokenDiscovery,
    Discovery,
    FileDiscovery,
    JoinConfiguration,
    JoinControlPlane,
    NodeRegistration,
    Patches,
)
from pykubeadm.config.source import Path
from pykubeadm.util.dataclass import dataclass

# Flags of JoinFlags that may stand beside --config.
BESIDE_CONFIG = frozenset({"node_name", "dry_run", "ignore_preflight_errors", "skip_phases"})
_OF_CONTROL_PLANES = ("certificate_key", "apiserver_advertise_address", "apiserver_bind_port")


@dataclass(frozen=True, slots=True, kw_only=True)
class JoinFlags:
    """The argument and the flags of `join` that are configuration, as typed; None (False) where they were not given."""

    api_server_endpoint: str | None = None  # the argument
    apiserver_advertise_address: str | None = None
    apiserver_bind_port: int | None = None
    certificate_key: str | None = None
    control_plane: bool = False
    cri_socket: str | None = None
    discovery_file: str | None = None
    discovery_token: str | None = None
    discovery_token_ca_cert_hash: tuple[str, ...] | None = None
    discovery_token_unsafe_skip_ca_verification: bool = False
    dry_run: bool = False
    ignore_preflight_errors: tuple[str, ...] | None = None
    node_name: str | None = None
    patches: str | None = None
    skip_phases: tuple[str, ...] | None = None
    tls_bootstrap_token: str | None = None
    token: str | None = None

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> JoinFlags:
        """From a command line's values; those that are no configuration are left out."""
        return cls(**{item.name: values[item.name] for item in fields(cls) if values.get(item.name) is not None})

    def mixed(self) -> list[str]:
        """Those that may not stand beside --config, as on the command line."""
        return [
            "the API server's endpoint" if item.name == "api_server_endpoint" else f"--{item.name.replace('_', '-')}"
            for item in fields(self)
            if item.name not in BESIDE_CONFIG and getattr(self, item.name) not in (None, False)
        ]

    def without_control_plane(self) -> list[str]:
        """Flags that mean nothing without --control-plane, where that is missing."""
        if self.control_plane:
            return []
        return [f"--{name.replace('_', '-')}" for name in _OF_CONTROL_PLANES if getattr(self, name) is not None]


# Which flag gives the value at a path, for the problems' source.
JOIN_FLAG_AT: Mapping[Path, str] = {
    ("discovery", "bootstrapToken", "apiServerEndpoint"): "API server endpoint",
    ("discovery", "bootstrapToken", "caCertHashes"): "--discovery-token-ca-cert-hash",
    ("discovery", "bootstrapToken", "token"): "--discovery-token",
    ("discovery", "tlsBootstrapToken"): "--tls-bootstrap-token",
    ("discovery", "file"): "--discovery-file",
    ("nodeRegistration", "name"): "--node-name",
    ("nodeRegistration", "criSocket"): "--cri-socket",
    ("controlPlane", "localAPIEndpoint", "advertiseAddress"): "--apiserver-advertise-address",
    ("controlPlane", "localAPIEndpoint", "bindPort"): "--apiserver-bind-port",
    ("controlPlane", "certificateKey"): "--certificate-key",
    ("patches",): "--patches",
    ("discovery",): "--discovery-file",  # the rest: given beside an endpoint
}


def join_configuration(flags: JoinFlags) -> JoinConfiguration:
    """What the flags say. --token stands for both tokens where they are not given; without an endpoint there is no
    discovery by token."""
    by_token = None
    if flags.api_server_endpoint is not None:
        by_token = BootstrapTokenDiscovery(
            token=flags.discovery_token or flags.token or "",
            api_server_endpoint=flags.api_server_endpoint,
            ca_cert_hashes=flags.discovery_token_ca_cert_hash or (),
            unsafe_skip_ca_verification=flags.discovery_token_unsafe_skip_ca_verification,
        )
    endpoint = APIEndpoint(advertise_address=flags.apiserver_advertise_address or "")
    if flags.apiserver_bind_port is not None:
        endpoint = replace(endpoint, bind_port=flags.apiserver_bind_port)
    return JoinConfiguration(
        dry_run=flags.dry_run,
        node_registration=NodeRegistration(name=flags.node_name or "", cri_socket=flags.cri_socket or ""),
        discovery=Discovery(
            bootstrap_token=by_token,
            file=FileDiscovery(kube_config_path=flags.discovery_file) if flags.discovery_file else None,
            tls_bootstrap_token=flags.tls_bootstrap_token or flags.token or "",
        ),
        control_plane=JoinControlPlane(local_api_endpoint=endpoint, certificate_key=flags.certificate_key or "")
        if flags.control_plane
        else None,
        patches=Patches(directory=flags.patches) if flags.patches else None,
    )
