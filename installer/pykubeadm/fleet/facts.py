"""What is found on the machines of a fleet and in its cluster, as plain values: what plans are made of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import field
from typing import Any

from pykubeadm.util.dataclass import dataclass


@dataclass(frozen=True, slots=True)
class NodeFacts:
    """One machine. Where it could not be looked at, only `error` says something: a sentence that begins with its name; `gone` is
    whether that is because nobody answers there. One that refuses the user may run on as a part of the cluster.

    `missing` is what the node roles would bring (tag → reason); `prepared` the digests of what they brought last (stage →
    digest); `unfinished` the command that a run was cut off in, or failed in ("init", "join"; not one of its phases by itself),
    `upgrading` the same of an upgrade ("apply", "node"), `reconfiguring` whether it was a reconfiguration; `ca` stands for the
    cluster's CA that is on the machine, "" where there is none; `kubelet` is the version of the kubelet's program ("v1.36.2"),
    which is asked for where the machine has a member of etcd, and `kubelet_files` are those that the kubelet is configured with
    (path → content).
    """

    name: str
    error: str = ""
    gone: bool = False
    address: str = ""  # that other nodes speak to
    hostname: str = ""
    missing: Mapping[str, str] = field(default_factory=dict)
    prepared: Mapping[str, str] = field(default_factory=dict)
    joined: bool = False  # its kubelet has credentials of a cluster
    control_plane: bool = False  # it runs an API server
    api_server: str = ""  # the version of that one, as its image has it ("v1.36.2"), "" where it does not say
    has_state: bool = False  # something of a cluster is on it, whole or half
    unfinished: str = ""
    upgrading: str = ""
    reconfiguring: bool = False
    ca: str = ""
    kubelet: str = ""
    kubelet_files: Mapping[str, bytes] = field(default_factory=dict, repr=False)
    idle_units: tuple[str, ...] = ()  # units of its load balancer that do not run
    balancing: tuple[str, ...] = ()  # of one that is marked absent: those that run
    etcd: bool = False  # a member of etcd was begun on it, as on a host of that part
    etcd_version: str = ""  # of that member, "" where it does not say
    etcd_ailment: str = ""  # why that member is not healthy
    etcd_members: tuple[str, ...] = ()  # the names of all members, as that one knows them
    etcd_ca: bool = False  # on a host of that part: etcd's CA is there, with its key

    @property
    def reachable(self) -> bool:
        return not self.error


@dataclass(frozen=True, slots=True)
class NodeObject:
    """A Node as the cluster has it. `reason` says why it is not ready; `addresses` are its InternalIPs."""

    name: str
    ready: bool
    reason: str = ""
    version: str = ""
    addresses: tuple[str, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)
    taints: tuple[Mapping[str, Any], ...] = ()
    pod_cidrs: tuple[str, ...] = ()
    control_plane: bool = False
    unschedulable: bool = False
    drained: bool = False  # by us

    @property
    def address(self) -> str:
        return next(iter(self.addresses), "")

    def address_for(self, cidr: str) -> str:
        """The address of the family of a subnet, "" where there is none."""
        return next((address for address in self.addresses if (":" in address) == (":" in cidr)), "")


@dataclass(frozen=True, slots=True)
class EtcdMember:
    """A member of etcd. `ailment` says what is wrong with it, "" for nothing."""

    id: int
    name: str
    addresses: tuple[str, ...] = ()
    learner: bool = False
    ailment: str = ""


@dataclass(frozen=True, slots=True)
class ClusterFacts:
    """The cluster, as one healthy control plane (`seed`, a host's name) knows it. `stored` is its ClusterConfiguration, `kubelet`
    and `kube_proxy` are its Kubelet- and KubeProxyConfiguration, {} where it has none that can be read; `network` stands for the
    pod network that was applied from there, "" for none."""

    seed: str
    ca: str
    version: str
    nodes: Mapping[str, NodeObject] = field(default_factory=dict)
    members: tuple[EtcdMember, ...] = ()
    etcd_error: str = ""  # why the members are not known
    stored: Mapping[str, Any] = field(default_factory=dict)
    kubelet: Mapping[str, Any] = field(default_factory=dict)
    kube_proxy: Mapping[str, Any] = field(default_factory=dict)
    network: str = ""


@dataclass(frozen=True, slots=True)
class Facts:
    """Everything that was found: `nodes` are those that the run is for, all hosts of etcd where one of them is of that part, and
    all control planes where none answers; `cluster` is None where no control plane's API answers, and `silence` says why, by the
    names of those that were asked."""

    nodes: Mapping[str, NodeFacts]
    cluster: ClusterFacts | None = None
    silence: Mapping[str, str] = field(default_factory=dict)

    @property
    def nobody(self) -> str:
        """That no API server answers, and why, as a sentence."""
        why = "; ".join(f"{name}: {error}" for name, error in self.silence.items())
        return "no control plane's API server answers" + (f" ({why})" if why else "")

    def of(self, names: Sequence[str]) -> tuple[NodeFacts, ...]:
        return tuple(self.nodes[name] for name in names if name in self.nodes)
