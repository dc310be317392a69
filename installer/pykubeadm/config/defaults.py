"""What kubeadm fills in where the user gave nothing: from constants, from the machine (`HostFacts`), from other fields.

kubeadm: apis/kubeadm/v1beta4/defaults.go and util/config/{init,join,reset}configuration.go.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, replace
from typing import Any, TypeVar

from pykubeadm.config import rules
from pykubeadm.config.decode import without_nulls
from pykubeadm.config.host import HostFacts
from pykubeadm.config.model import (
    APIEndpoint,
    APIServer,
    BootstrapToken,
    ClusterConfiguration,
    ControlPlaneComponent,
    EnvVar,
    InitConfiguration,
    JoinConfiguration,
    LocalEtcd,
    Model,
    NodeRegistration,
    ResetConfiguration,
    Taint,
)
from pykubeadm.config.release import LookUp, is_label, resolve_label
from pykubeadm.config.report import Report
from pykubeadm.config.versions import parse_version
from pykubeadm.constants import CRI_SOCKETS, LABEL_CONTROL_PLANE
from pykubeadm.util.duration import parse_duration
from pykubeadm.util.ip import join_host_port, parse_ip

M = TypeVar("M", bound=Model)

CONTROL_PLANE_TAINT = Taint(key=LABEL_CONTROL_PLANE, effect="NoSchedule")
DEFAULT_TOKEN_TTL = parse_duration("24h")
NO_ADDRESS = "0.0.0.0"  # noqa: S104 - kubeadm's stand-in where a machine has no default route; nothing listens on it


def filled(model: M) -> M:
    """Empty text, 0 and empty lists give way to the field's default, as Go's zero values do. An empty `taints` means none."""
    changes: dict[str, Any] = {}
    for name, default in ((field.name, field.default) for field in fields(model)):
        value = getattr(model, name)
        wanted: Any = value
        if isinstance(value, Model):
            wanted = filled(value)
        elif isinstance(value, tuple) and value and isinstance(value[0], Model):
            wanted = tuple(filled(item) for item in value)
        elif name != "taints" and not isinstance(value, bool) and value in ("", 0, ()):
            wanted = default
        if wanted is not value:
            changes[name] = wanted
    return replace(model, **changes) if changes else model


def complete_init(init: InitConfiguration, host: HostFacts, report: Report, *, new_token: Callable[[], str]) -> InitConfiguration:
    init = filled(init)
    return replace(
        init,
        bootstrap_tokens=tuple(_token(token, new_token) for token in init.bootstrap_tokens or (BootstrapToken(),)),
        node_registration=_registration(init.node_registration, host, report, control_plane=True),
        local_api_endpoint=_endpoint(init.local_api_endpoint, host, report, ("localAPIEndpoint",)),
    )


def complete_cluster(cluster: ClusterConfiguration, bind_port: int, report: Report, *, ask: LookUp) -> ClusterConfiguration:
    cluster = filled(cluster)
    changes: dict[str, Any] = {"kubernetes_version": _version(cluster.kubernetes_version, report, ask)}
    etcd = cluster.etcd
    if etcd.external and not etcd.external.http_endpoints:
        external = replace(etcd.external, http_endpoints=etcd.external.endpoints)
        changes["etcd"] = replace(etcd, external=external)
    elif etcd.local is None and etcd.external is None:
        changes["etcd"] = replace(etcd, local=LocalEtcd())
    elif etcd.local:
        changes["etcd"] = replace(etcd, local=_with_environment(etcd.local))
    endpoint = None if rules.endpoint(cluster.control_plane_endpoint) else rules.split_endpoint(cluster.control_plane_endpoint)
    if endpoint and not endpoint[1]:  # a wrong one stays as it is, for the checks
        changes["control_plane_endpoint"] = join_host_port(endpoint[0], bind_port)
    server = _with_environment(cluster.api_server)
    changes["api_server"] = replace(server, cert_sans=tuple(name.lower() for name in server.cert_sans))
    changes["controller_manager"] = _with_environment(cluster.controller_manager)
    changes["scheduler"] = _with_environment(cluster.scheduler)
    ecdsa = cluster.feature_gates.get("PublicKeysECDSA")
    if ecdsa is not None and not rules.one_of(cluster.encryption_algorithm, rules.ENCRYPTION_ALGORITHMS):
        # the old gate decides where it is given (kubeadm: apis/kubeadm/types.go, EncryptionAlgorithmType)
        changes["encryption_algorithm"] = "ECDSA-P256" if ecdsa else "RSA-2048"
    return replace(cluster, **changes)


def complete_join(join: JoinConfiguration, host: HostFacts, report: Report) -> JoinConfiguration:
    join = filled(join)
    changes: dict[str, Any] = {
        "node_registration": _registration(join.node_registration, host, report, control_plane=join.control_plane is not None)
    }
    discovery = join.discovery
    if discovery.bootstrap_token and not discovery.tls_bootstrap_token:
        discovery = replace(discovery, tls_bootstrap_token=discovery.bootstrap_token.token)
    if discovery.file:
        path = discovery.file.kube_config_path.removeprefix("file://")
        discovery = replace(discovery, file=replace(discovery.file, kube_config_path=path))
    changes["discovery"] = discovery
    if join.control_plane:
        where = ("controlPlane", "localAPIEndpoint")
        endpoint = _endpoint(join.control_plane.local_api_endpoint, host, report, where)
        changes["control_plane"] = replace(join.control_plane, local_api_endpoint=endpoint)
    return replace(join, **changes)


def complete_reset(reset: ResetConfiguration, host: HostFacts, report: Report) -> ResetConfiguration:
    reset = filled(reset)
    return replace(reset, cri_socket=_socket(reset.cri_socket, host, report, ("criSocket",)))


def _token(token: BootstrapToken, new_token: Callable[[], str]) -> BootstrapToken:
    changes: dict[str, Any] = {}
    if not token.token:
        changes["token"] = new_token()
    if token.ttl is None:
        changes["ttl"] = DEFAULT_TOKEN_TTL
    return replace(token, **changes)


def _registration(node: NodeRegistration, host: HostFacts, report: Report, *, control_plane: bool) -> NodeRegistration:
    changes: dict[str, Any] = {
        "name": (node.name or host.hostname).strip().lower(),
        "cri_socket": _socket(node.cri_socket, host, report, ("nodeRegistration", "criSocket")),
    }
    if control_plane and node.taints is None:
        changes["taints"] = (CONTROL_PLANE_TAINT,)
    return replace(node, **changes)


def _socket(given: str, host: HostFacts, report: Report, path: tuple[str, ...]) -> str:
    if given:
        if not given.startswith("/"):  # kubeadm puts unix:// before other schemes, too; validation refuses what is not unix:
            return given
        report.note(f'criSocket "{given}" has no scheme; taking "unix://{given}"')
        return f"unix://{given}"
    if len(host.cri_sockets) > 1:
        report.problem(path, f"several container runtimes are on this machine, choose one: {', '.join(host.cri_sockets)}")
    if not host.cri_sockets:
        report.note(f"no container runtime's socket was found; taking {CRI_SOCKETS[0]}")
        return CRI_SOCKETS[0]
    return host.cri_sockets[0]


def _endpoint(endpoint: APIEndpoint, host: HostFacts, report: Report, path: tuple[str, ...]) -> APIEndpoint:
    given = parse_ip(endpoint.advertise_address)
    if given and given.is_loopback and host.loopback:  # kubeadm: SetAPIEndpointDynamicDefaults
        return replace(endpoint, advertise_address=host.loopback)
    if given and not given.is_unspecified:
        return replace(endpoint, advertise_address=str(given))
    if endpoint.advertise_address and not given:
        return endpoint  # validation reports it
    choices = (host.default_ipv4, host.default_ipv6)
    chosen = next(filter(None, choices[::-1] if given and given.version == 6 else choices), "")
    if not chosen:
        report.problem(
            (*path, "advertiseAddress"),
            "this machine has no default route to take the address from; give the address to advertise",
        )
    return replace(endpoint, advertise_address=chosen or NO_ADDRESS)


def _version(text: str, report: Report, ask: LookUp) -> str:
    """With a leading "v"; as given where it is neither version nor label, which validation reports."""
    if is_label(text):
        return resolve_label(text, ask, report.note)
    try:
        return str(parse_version(text.removeprefix("release/")))
    except ValueError:
        return text


C = TypeVar("C", APIServer, ControlPlaneComponent, LocalEtcd)


def _with_environment(component: C) -> C:
    """A fieldRef without apiVersion means v1 (v1beta4: SetDefaults_EnvVar)."""
    return replace(component, extra_envs=tuple(_environment(item) for item in component.extra_envs))


def _environment(item: EnvVar) -> EnvVar:
    if item.value_from is None:
        return item
    source = without_nulls(item.value_from)
    reference = source.get("fieldRef")
    if isinstance(reference, dict) and not reference.get("apiVersion"):
        source["fieldRef"] = {**reference, "apiVersion": "v1"}
    return replace(item, value_from=source)
