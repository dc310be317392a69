"""The pykubeadm.cluster/v1 document: which machines a cluster consists of, and what else goes with them.

It stands in one file with kubeadm's own documents (ClusterConfiguration, KubeletConfiguration, KubeProxyConfiguration), which are
read as they are. The published JSON Schema (docs/reference/cluster.schema.json) is made of these models.
"""

# Annotations are not postponed here: `decode` reads the fields' types from them.

from collections.abc import Mapping
from dataclasses import field
from typing import Any

from pykubeadm.config.model import Arg, Configuration, LocalEtcd, Model, Taint
from pykubeadm.util.dataclass import dataclass

FLEET_API = "pykubeadm.cluster/v1"
FLEET_KIND = "Cluster"

CONTROL_PLANE = "control-plane"
WORKER = "worker"
LOAD_BALANCER = "load-balancer"
ETCD = "etcd"
PARTS = (CONTROL_PLANE, WORKER, LOAD_BALANCER, ETCD)
STATES = ("present", "absent")
RUNTIMES = ("containerd", "crio")
NETWORKS = ("none", "bridge", "flannel", "manifest")  # of the role cni


def _says(description: str, choices: tuple[str, ...] = ()) -> dict[str, Any]:
    """A field's metadata: what it means, and the words that it takes where those are few."""
    return {"description": description, "choices": choices}


@dataclass(frozen=True, kw_only=True)
class Ssh(Model):
    """How a machine is reached. What is not given is what ssh(1) takes: ~/.ssh/config, the agent, the user's name."""

    user: str = field(default="", metadata=_says("The user to log in as; one that is not root needs sudo."))
    port: int = field(default=0, metadata=_says("The port of sshd (default: that of ~/.ssh/config, else 22)."))
    identity_file: str = field(default="", metadata=_says("The private key to log in with."))
    proxy_jump: str = field(default="", metadata=_says("A host to go through, as [user@]host[:port]."))
    config_file: str = field(default="", metadata=_says("A file to read in place of ~/.ssh/config."))


@dataclass(frozen=True, kw_only=True)
class Host(Model):
    """A machine of the cluster, or one that has to leave it."""

    name: str = field(default="", metadata=_says("The name of its Node, and of the machine in the output. Required."))
    address: str = field(default="", metadata=_says("The name or IP address for SSH (default: its name)."))
    internal_address: str = field(
        default="",
        metadata=_says(
            "The IP address for other nodes: of its API server, etcd and kubelet (default: that of the default route;"
            " of load balancers and hosts of etcd: address)."
        ),
    )
    parts: tuple[str, ...] = field(
        default=(),
        metadata=_says(
            "What it runs. Required. control-plane with worker is a control plane without its taint. If hosts have the part etcd,"
            " control planes run no etcd.",
            PARTS,
        ),
    )
    state: str = field(
        default="present",
        metadata=_says("absent: taken out of the cluster and reset; a load balancer is stopped (default: present).", STATES),
    )
    ssh: Ssh = field(default=Ssh(), metadata=_says("How to reach this one; overrides the settings for all."))
    labels: Mapping[str, str] = field(default_factory=dict, metadata=_says("Labels of its Node."))
    taints: tuple[Taint, ...] | None = field(
        default=None,
        metadata=_says(
            "All taints of its Node. Without this field a new control plane that is no worker gets the control plane's, and that"
            " of a control plane that is a worker, too, is removed. Those that programs set, such as"
            " node.kubernetes.io/not-ready, are kept."
        ),
    )
    kubelet_extra_args: tuple[Arg, ...] = field(default=(), metadata=_says("Flags of its kubelet, as in nodeRegistration."))
    ignore_preflight_errors: tuple[str, ...] = field(
        default=(), metadata=_says("Preflight checks whose errors are only warnings here.")
    )
    variables: Mapping[str, Any] = field(
        default_factory=dict, metadata=_says("Variables of the node roles for this machine; they override those for all.")
    )

    @property
    def is_node(self) -> bool:
        """Whether it is to be a node of the cluster."""
        return CONTROL_PLANE in self.parts or WORKER in self.parts

    @property
    def has_kubelet(self) -> bool:
        """Whether a kubelet runs there; one that runs etcd is in no cluster."""
        return self.is_node or ETCD in self.parts


@dataclass(frozen=True, kw_only=True)
class HostVariable(Model):
    """The variable `pykubeadm_host` of an inventory: what Ansible has no variable for, as in `Host`."""

    internal_address: str = ""
    state: str = "present"
    labels: Mapping[str, str] = field(default_factory=dict)
    taints: tuple[Taint, ...] | None = None
    kubelet_extra_args: tuple[Arg, ...] = ()
    ignore_preflight_errors: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Network(Model):
    """The pod network."""

    plugin: str = field(
        default="none",
        metadata=_says(
            "The network to install; none: you install one (default: none). bridge and flannel need a podSubnet.", NETWORKS
        ),
    )
    manifest: str = field(default="", metadata=_says("The path or URL of the manifest, with plugin: manifest."))


@dataclass(frozen=True, kw_only=True)
class Mirror(Model):
    """Where images of a registry are asked for first."""

    registry: str = field(
        default="", metadata=_says("The registry's name in images, such as docker.io; _default for all other registries.")
    )
    urls: tuple[str, ...] = field(default=(), metadata=_says("The mirrors' URLs, asked in this order."))
    only: bool = field(
        default=False,
        metadata=_says("Whether to use only the mirrors, never the registry itself (default: false). containerd only."),
    )
    ca: str = field(default="", metadata=_says("The path, on the nodes, of the mirrors' CA certificate. containerd only."))


@dataclass(frozen=True, kw_only=True)
class HttpProxy(Model):
    """The proxy that nodes download and pull through."""

    http: str = field(default="", metadata=_says("The proxy for http:// URLs."))
    https: str = field(default="", metadata=_says("The proxy for https:// URLs."))
    no_proxy: tuple[str, ...] = field(
        default=(), metadata=_says("What is reached without the proxy, besides the cluster's own networks and names.")
    )


@dataclass(frozen=True, kw_only=True)
class LoadBalancer(Model):
    """One address in front of the API servers: haproxy, and keepalived where the address moves."""

    address: str = field(
        default="",
        metadata=_says("The virtual IP address, which moves between the load balancers; required with several of them."),
    )
    port: int = field(default=6443, metadata=_says("The port of the load balancer (default: 6443)."))
    interface: str = field(default="", metadata=_says("The network interface of the address; required with address."))
    prefix: int | None = field(
        default=None, metadata=_says("The prefix length of the address (default: 32, or 128 of an IPv6 address).")
    )
    router_id: int = field(
        default=51, metadata=_says("The VRRP router id, a different one for each address in a network (default: 51).")
    )


@dataclass(frozen=True, kw_only=True)
class Cluster(Model):
    """The document."""

    hosts: tuple[Host, ...] = field(default=(), metadata=_says("The machines. Required."))
    ssh: Ssh = field(default=Ssh(), metadata=_says("How to reach all of them."))
    runtime: str = field(default="containerd", metadata=_says("The container runtime (default: containerd).", RUNTIMES))
    network: Network = field(default=Network(), metadata=_says("The pod network."))
    load_balancer: LoadBalancer = field(default=LoadBalancer(), metadata=_says("One address in front of the API servers."))
    registry_mirrors: tuple[Mirror, ...] = field(default=(), metadata=_says("Mirrors of image registries."))
    proxy: HttpProxy = field(default=HttpProxy(), metadata=_says("The proxy that nodes download and pull through."))
    ignore_preflight_errors: tuple[str, ...] = field(
        default=(), metadata=_says("Preflight checks whose errors are only warnings on all machines.")
    )
    variables: Mapping[str, Any] = field(
        default_factory=dict, metadata=_says("Variables of the node roles (roles/*/README.md) for all machines.")
    )

    @property
    def present(self) -> tuple[Host, ...]:
        """The machines that are to be there."""
        return tuple(host for host in self.hosts if host.state != "absent")

    def having(self, part: str) -> tuple[Host, ...]:
        """Of those the ones with this part."""
        return tuple(host for host in self.present if part in host.parts)

    def ignored_checks(self, host: Host) -> tuple[str, ...]:
        """The preflight checks whose errors are only warnings on that machine."""
        return tuple(dict.fromkeys((*self.ignore_preflight_errors, *host.ignore_preflight_errors)))


@dataclass(frozen=True, slots=True)
class Fleet:
    """What a cluster file says. `configuration` is the cluster's; of a node there is nothing in it. `names_version` is whether
    the file says which version of Kubernetes the cluster is to have, `describes_cluster` whether it has a ClusterConfiguration
    at all, rather than defaults, and `cluster_document` what the user wrote in it, {} for nothing. `members` is how the members
    on hosts with the part etcd run; for the cluster these are external ones."""

    cluster: Cluster
    configuration: Configuration
    names_version: bool
    describes_cluster: bool = False
    cluster_document: Mapping[str, Any] = field(default_factory=dict)
    members: LocalEtcd | None = None
