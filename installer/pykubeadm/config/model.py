"""The kubeadm.k8s.io/v1beta4 configuration as frozen models (kubeadm: apis/kubeadm/v1beta4/types.go).

Field names are Python's, aliases are the file's. Defaults that are constants stand here; those that depend on the
machine or on other fields are filled in by `config.defaults`. Unset text is "", as in kubeadm.
"""

# Annotations are not postponed here: `decode` reads the fields' types from them.

from collections.abc import Mapping
from dataclasses import field, fields
from datetime import timedelta
from functools import cache
from typing import Any, ClassVar

from pykubeadm.util.dataclass import dataclass
from pykubeadm.util.duration import format_duration

API_VERSION = "kubeadm.k8s.io/v1beta4"

# Words of a field name that are not simply capitalised in the file.
_INITIALISMS = {"sans": "SANs", "api": "API", "ca": "CA", "rc": "RC"}


@cache
def field_alias(name: str) -> str:
    """`local_api_endpoint` → `localAPIEndpoint`: Go's way with initialisms, the first word in lower case."""
    first, *rest = name.split("_")
    return first + "".join(_INITIALISMS.get(word, word.capitalize()) for word in rest)


@dataclass(frozen=True, kw_only=True)
class Model:
    """Base of all: frozen dataclasses, whose fields are given by name."""

    # Fields that kubeadm prints even where they hold nothing (no `omitempty`, or a pointer to false).
    printed: ClassVar[frozenset[str]] = frozenset()

    def __init_subclass__(cls) -> None:
        """`dataclass` makes a text of the signature where a class has none of its own: some 15 % of what importing this costs."""
        cls.__doc__ = cls.__doc__ or cls.__name__

    def document(self) -> dict[str, Any]:
        """As kubeadm prints it: the file's names, empty fields left out but for empty structs, durations as text."""
        found = {}
        for name in (known.name for known in fields(self)):
            value = getattr(self, name)
            if name in self.printed or isinstance(value, Model | timedelta) or value not in (None, "", 0, False, (), {}):
                found[field_alias(name)] = _plain(value)
        return found


def _plain(value: Any) -> Any:
    if isinstance(value, Model):
        return value.document()
    if isinstance(value, timedelta):
        return format_duration(value)
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return value


@dataclass(frozen=True, kw_only=True)
class Arg(Model):
    printed = frozenset({"name", "value"})
    name: str = ""
    value: str = ""


@dataclass(frozen=True, kw_only=True)
class EnvVar(Model):
    """A core/v1 EnvVar; `value_from` is passed through to the static pod as written."""

    printed = frozenset({"name"})
    name: str = ""
    value: str | None = None
    value_from: Mapping[str, Any] | None = None


@dataclass(frozen=True, kw_only=True)
class HostPathMount(Model):
    printed = frozenset({"name", "host_path", "mount_path"})
    name: str = ""
    host_path: str = ""
    mount_path: str = ""
    read_only: bool = False
    path_type: str = ""


@dataclass(frozen=True, kw_only=True)
class Taint(Model):
    """A core/v1 Taint."""

    printed = frozenset({"key", "effect"})
    key: str = ""
    value: str = ""
    effect: str = ""
    time_added: str | None = None


@dataclass(frozen=True, kw_only=True)
class Patches(Model):
    directory: str = ""


@dataclass(frozen=True, kw_only=True)
class Timeouts(Model):
    control_plane_component_health_check: timedelta = timedelta(minutes=4)
    kubelet_health_check: timedelta = timedelta(minutes=4)
    kubernetes_api_call: timedelta = timedelta(minutes=1)
    etcd_api_call: timedelta = timedelta(minutes=2)
    tls_bootstrap: timedelta = timedelta(minutes=5)
    discovery: timedelta = timedelta(minutes=5)
    upgrade_manifests: timedelta = timedelta(minutes=5)


@dataclass(frozen=True, kw_only=True)
class APIEndpoint(Model):
    advertise_address: str = ""
    bind_port: int = 6443


@dataclass(frozen=True, kw_only=True)
class NodeRegistration(Model):
    printed = frozenset({"taints", "image_pull_serial"})
    name: str = ""
    cri_socket: str = ""
    taints: tuple[Taint, ...] | None = None  # None: the control-plane taint on control planes; (): none
    kubelet_extra_args: tuple[Arg, ...] = ()
    ignore_preflight_errors: tuple[str, ...] = ()
    image_pull_policy: str = "IfNotPresent"
    image_pull_serial: bool = True


@dataclass(frozen=True, kw_only=True)
class BootstrapToken(Model):
    """kubeadm: apis/bootstraptoken/v1. `expires` (RFC 3339) and `ttl` exclude each other; ttl 0 never expires."""

    printed = frozenset({"token"})
    token: str = ""
    description: str = ""
    ttl: timedelta | None = None
    expires: str | None = None
    usages: tuple[str, ...] = ("signing", "authentication")
    groups: tuple[str, ...] = ("system:bootstrappers:kubeadm:default-node-token",)


@dataclass(frozen=True, kw_only=True)
class ControlPlaneComponent(Model):
    extra_args: tuple[Arg, ...] = ()
    extra_volumes: tuple[HostPathMount, ...] = ()
    extra_envs: tuple[EnvVar, ...] = ()


@dataclass(frozen=True, kw_only=True)
class APIServer(ControlPlaneComponent):
    cert_sans: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class LocalEtcd(Model):
    printed = frozenset({"data_dir"})
    image_repository: str = ""
    image_tag: str = ""
    data_dir: str = "/var/lib/etcd"
    extra_args: tuple[Arg, ...] = ()
    extra_envs: tuple[EnvVar, ...] = ()
    server_cert_sans: tuple[str, ...] = ()
    peer_cert_sans: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class ExternalEtcd(Model):
    printed = frozenset({"endpoints", "ca_file", "cert_file", "key_file"})
    endpoints: tuple[str, ...] = ()
    http_endpoints: tuple[str, ...] = ()
    ca_file: str = ""
    cert_file: str = ""
    key_file: str = ""


@dataclass(frozen=True, kw_only=True)
class Etcd(Model):
    local: LocalEtcd | None = None
    external: ExternalEtcd | None = None


@dataclass(frozen=True, kw_only=True)
class Networking(Model):
    service_subnet: str = "10.96.0.0/12"
    pod_subnet: str = ""
    dns_domain: str = "cluster.local"


@dataclass(frozen=True, kw_only=True)
class DNS(Model):
    image_repository: str = ""
    image_tag: str = ""
    disabled: bool = False


@dataclass(frozen=True, kw_only=True)
class Proxy(Model):
    disabled: bool = False


@dataclass(frozen=True, kw_only=True)
class KubeadmDocument(Model):
    """A top-level document; its `kind` is the class's name."""

    def document(self) -> dict[str, Any]:
        return super().document() | {"apiVersion": API_VERSION, "kind": type(self).__name__}


@dataclass(frozen=True, kw_only=True)
class InitConfiguration(KubeadmDocument):
    bootstrap_tokens: tuple[BootstrapToken, ...] = ()
    dry_run: bool = False
    node_registration: NodeRegistration = NodeRegistration()
    local_api_endpoint: APIEndpoint = APIEndpoint()
    certificate_key: str = ""
    skip_phases: tuple[str, ...] = ()
    patches: Patches | None = None
    timeouts: Timeouts = Timeouts()

    @property
    def this_node(self) -> "ThisNode":
        return ThisNode(self.node_registration, self.local_api_endpoint, self.patches, self.timeouts)


@dataclass(frozen=True, kw_only=True)
class ClusterConfiguration(KubeadmDocument):
    etcd: Etcd = Etcd()
    networking: Networking = Networking()
    kubernetes_version: str = "stable-1"
    control_plane_endpoint: str = ""
    api_server: APIServer = APIServer()
    controller_manager: ControlPlaneComponent = ControlPlaneComponent()
    scheduler: ControlPlaneComponent = ControlPlaneComponent()
    dns: DNS = DNS()
    proxy: Proxy = Proxy()
    certificates_dir: str = "/etc/kubernetes/pki"
    image_repository: str = "registry.k8s.io"
    feature_gates: Mapping[str, bool] = field(default_factory=dict)
    cluster_name: str = "kubernetes"
    encryption_algorithm: str = "RSA-2048"
    certificate_validity_period: timedelta = timedelta(hours=8760)
    ca_certificate_validity_period: timedelta = timedelta(hours=87600)


@dataclass(frozen=True, kw_only=True)
class BootstrapTokenDiscovery(Model):
    printed = frozenset({"token"})
    token: str = ""
    api_server_endpoint: str = ""
    ca_cert_hashes: tuple[str, ...] = ()
    unsafe_skip_ca_verification: bool = False


@dataclass(frozen=True, kw_only=True)
class FileDiscovery(Model):
    printed = frozenset({"kube_config_path"})
    kube_config_path: str = ""


@dataclass(frozen=True, kw_only=True)
class Discovery(Model):
    bootstrap_token: BootstrapTokenDiscovery | None = None
    file: FileDiscovery | None = None
    tls_bootstrap_token: str = ""


@dataclass(frozen=True, kw_only=True)
class JoinControlPlane(Model):
    local_api_endpoint: APIEndpoint = APIEndpoint()
    certificate_key: str = ""


@dataclass(frozen=True, kw_only=True)
class JoinConfiguration(KubeadmDocument):
    dry_run: bool = False
    node_registration: NodeRegistration = NodeRegistration()
    ca_cert_path: str = "/etc/kubernetes/pki/ca.crt"
    discovery: Discovery = Discovery()
    control_plane: JoinControlPlane | None = None
    skip_phases: tuple[str, ...] = ()
    patches: Patches | None = None
    timeouts: Timeouts = Timeouts()

    @property
    def this_node(self) -> "ThisNode":
        control_plane = self.control_plane or JoinControlPlane()
        return ThisNode(self.node_registration, control_plane.local_api_endpoint, self.patches, self.timeouts)


@dataclass(frozen=True, kw_only=True)
class ResetConfiguration(KubeadmDocument):
    cleanup_tmp_dir: bool = False
    certificates_dir: str = "/etc/kubernetes/pki"
    cri_socket: str = ""
    dry_run: bool = False
    force: bool = False
    ignore_preflight_errors: tuple[str, ...] = ()
    skip_phases: tuple[str, ...] = ()
    unmount_flags: tuple[str, ...] = ()
    timeouts: Timeouts = Timeouts()


@dataclass(frozen=True, kw_only=True)
class UpgradeApply(Model):
    printed = frozenset({"certificate_renewal", "etcd_upgrade", "image_pull_serial"})
    kubernetes_version: str = ""
    allow_experimental_upgrades: bool = False
    allow_rc_upgrades: bool = False
    certificate_renewal: bool = True
    dry_run: bool = False
    etcd_upgrade: bool = True
    force_upgrade: bool = False
    ignore_preflight_errors: tuple[str, ...] = ()
    patches: Patches | None = None
    print_config: bool = False
    skip_phases: tuple[str, ...] = ()
    image_pull_policy: str = "IfNotPresent"
    image_pull_serial: bool = True


@dataclass(frozen=True, kw_only=True)
class UpgradeDiff(Model):
    kubernetes_version: str = ""
    context_lines: int = 0


@dataclass(frozen=True, kw_only=True)
class UpgradeNode(Model):
    printed = frozenset({"certificate_renewal", "etcd_upgrade", "image_pull_serial"})
    certificate_renewal: bool = True
    dry_run: bool = False
    etcd_upgrade: bool = True
    ignore_preflight_errors: tuple[str, ...] = ()
    skip_phases: tuple[str, ...] = ()
    patches: Patches | None = None
    image_pull_policy: str = "IfNotPresent"
    image_pull_serial: bool = True


@dataclass(frozen=True, kw_only=True)
class UpgradePlan(Model):
    printed = frozenset({"etcd_upgrade"})
    kubernetes_version: str = ""
    allow_experimental_upgrades: bool = False
    allow_rc_upgrades: bool = False
    dry_run: bool = False
    etcd_upgrade: bool = True
    ignore_preflight_errors: tuple[str, ...] = ()
    print_config: bool = False


@dataclass(frozen=True, kw_only=True)
class UpgradeConfiguration(KubeadmDocument):
    apply: UpgradeApply = UpgradeApply()
    diff: UpgradeDiff = UpgradeDiff()
    node: UpgradeNode = UpgradeNode()
    plan: UpgradePlan = UpgradePlan()
    timeouts: Timeouts = Timeouts()


@dataclass(frozen=True, slots=True)
class ThisNode:
    """What an Init- or JoinConfiguration says of the node that it is for."""

    node_registration: NodeRegistration = NodeRegistration()
    local_api_endpoint: APIEndpoint = APIEndpoint()
    patches: Patches | None = None
    timeouts: Timeouts = Timeouts()


@dataclass(frozen=True, slots=True)
class Configuration:
    """A cluster, and the node that is made or changed in it: every default filled in, every value checked.

    `kubelet` and `kube_proxy` are the user's KubeletConfiguration and KubeProxyConfiguration documents as given
    ({} where there is none); the manifests layer completes them.
    """

    cluster: ClusterConfiguration
    this_node: ThisNode = ThisNode()
    kubelet: Mapping[str, Any] = field(default_factory=dict)
    kube_proxy: Mapping[str, Any] = field(default_factory=dict)
