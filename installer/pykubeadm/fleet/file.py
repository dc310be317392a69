"""From a cluster file, an inventory or both to what is known of the fleet before any machine is asked."""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping, Sequence
from dataclasses import field, replace
from typing import TYPE_CHECKING

from pykubeadm.ansible.argument_specs import role_options
from pykubeadm.commands.environment import PLACEHOLDER_TOKEN
from pykubeadm.commands.source import read_source
from pykubeadm.config.fleet import ETCD, LOAD_BALANCER, Cluster, Fleet, Host, Ssh
from pykubeadm.config.host import HostFacts
from pykubeadm.config.load import MAX_BYTES, load_values
from pykubeadm.config.model import Configuration, Etcd, ExternalEtcd, LocalEtcd, NodeRegistration
from pykubeadm.config.read_fleet import Listed, read_fleet, read_listed
from pykubeadm.config.reading import Environment
from pykubeadm.config.release import look_up
from pykubeadm.config.source import Source
from pykubeadm.constants import CRI_SOCKETS
from pykubeadm.errors import UsageError
from pykubeadm.manifests.addresses import etcd_client_url
from pykubeadm.util.dataclass import dataclass
from pykubeadm.util.ip import join_host_port

if TYPE_CHECKING:
    from pykubeadm.config.report import Notes

DEFAULT_FILE = "cluster.yaml"
_SOCKETS = dict(zip(("containerd", "crio"), CRI_SOCKETS, strict=False))


@dataclass(frozen=True, slots=True)
class Described:
    """A fleet as it is described, and how its machines are reached. `inventories` are the user's, in place of one that is made
    of the file; `sudo_passwords` are by host, "" for all others."""

    fleet: Fleet
    inventories: tuple[str, ...] = ()
    ssh_options: Mapping[str, Sequence[str]] = field(default_factory=dict)
    sudo_passwords: Mapping[str, str] = field(default_factory=dict, repr=False)

    @property
    def cluster(self) -> Cluster:
        return self.fleet.cluster

    @property
    def configuration(self) -> Configuration:
        return self.fleet.configuration

    def limited(self, names: Sequence[str]) -> tuple[Host, ...]:
        """The hosts of these names, all where there are none; UsageError for a name that there is not."""
        known = {host.name: host for host in self.cluster.hosts}
        if unknown := [name for name in names if name not in known]:
            raise UsageError(f"--limit: there is no host {', '.join(unknown)}; there are {', '.join(known)}")
        return tuple(host for host in self.cluster.hosts if not names or host.name in names)


def describe(
    path: str | None, inventories: Sequence[str], note: Notes, *, sudo_password: str = "", left: float | None = None
) -> Described:
    """The fleet of the file at `path` and of `inventories`; `left` are the seconds until these have to be read. UsageError where
    neither is there, ConfigError with every problem."""
    from pykubeadm.fleet.inventory import read_inventories

    passwords = {"": sudo_password} if sudo_password else {}
    if not inventories:
        fleet = read_fleet(read_source(path or DEFAULT_FILE, "/"), _environment(note))
        return Described(_resolved(fleet), sudo_passwords=passwords)
    for inventory in inventories:
        if not os.path.exists(inventory):
            raise UsageError(f"--inventory: {inventory} does not exist")
        if not (os.path.isfile(inventory) or os.path.isdir(inventory)):  # of pipes and devices Ansible finds no end
            raise UsageError(f"--inventory: {inventory} is neither a file nor a directory")
    found = read_inventories(inventories, left)
    listed = Listed(found.cluster, found.kubernetes_version, found.pod_subnet)
    fleet = (
        read_fleet(read_source(path, "/"), _environment(note), inventory=listed)
        if path
        else read_listed(listed, _environment(note))
    )
    absolute = tuple(os.path.abspath(inventory) for inventory in inventories)
    return Described(_resolved(fleet), absolute, found.ssh_options, passwords | dict(found.sudo_passwords))


def _environment(note: Notes) -> Environment:
    """For reading what is not of this machine: whatever a node has of its own is asked there, later."""
    nowhere = HostFacts(hostname="node", default_ipv4="192.0.2.1", cri_sockets=CRI_SOCKETS[:1])
    return Environment(
        host=nowhere,
        new_token=lambda: PLACEHOLDER_TOKEN,
        ask=look_up,
        manifest=_manifest,
        role_options=role_options,
        note=note,
    )


def _manifest(path: str) -> str:
    """What is wrong with a network's manifest, which is applied only when the cluster is made: of one that is empty or cannot be
    applied no node ever becomes Ready."""
    try:
        with open(os.open(os.path.expanduser(path), os.O_RDONLY | os.O_NONBLOCK), "rb") as file:
            content = file.read() if stat.S_ISREG(os.fstat(file.fileno()).st_mode) else b""
    except (OSError, ValueError):
        content = b""
    if not content.strip():
        return f"{path} is not a file here, or an empty one"
    if path.endswith(".j2") or len(content) > MAX_BYTES:  # Ansible renders a template
        return ""
    documents, problems = load_values(Source(path, content))
    problems = [problem for problem in problems if not problem.path]  # the text's; of its fields the cluster knows
    problems += [
        document.problem((), "is not an object of Kubernetes, which has apiVersion and kind")
        for document in documents
        if not isinstance(document.data, dict) or not {"apiVersion", "kind"} <= document.data.keys()
    ]
    return str(min(problems)) if problems else ""


def _resolved(fleet: Fleet) -> Fleet:
    """With the control plane's endpoint, where load balancers give it one, etcd's members, where these have hosts of their own,
    and the runtime's socket."""
    cluster = fleet.configuration.cluster
    if fleet.cluster.having(ETCD):
        fleet = replace(fleet, members=cluster.etcd.local or LocalEtcd())
        cluster = replace(cluster, etcd=Etcd(external=_external(fleet.cluster, cluster.certificates_dir)))
    if not cluster.control_plane_endpoint:
        cluster = replace(cluster, control_plane_endpoint=_endpoint(fleet.cluster))
    this_node = replace(
        fleet.configuration.this_node, node_registration=NodeRegistration(cri_socket=_SOCKETS[fleet.cluster.runtime])
    )
    return replace(fleet, configuration=replace(fleet.configuration, cluster=cluster, this_node=this_node))


def _external(cluster: Cluster, directory: str) -> ExternalEtcd:
    """The members as control planes know them, with the files of kubeadm's guide to such clusters."""
    endpoints = tuple(etcd_client_url(internal_address(host)) for host in cluster.having(ETCD))
    return ExternalEtcd(
        endpoints=endpoints,
        http_endpoints=endpoints,
        ca_file=f"{directory}/etcd/ca.crt",
        cert_file=f"{directory}/apiserver-etcd-client.crt",
        key_file=f"{directory}/apiserver-etcd-client.key",
    )


def _endpoint(cluster: Cluster) -> str:
    balancers = cluster.having(LOAD_BALANCER)
    if not balancers:
        return ""
    address = cluster.load_balancer.address or internal_address(balancers[0])
    return join_host_port(address, cluster.load_balancer.port)


def of_version(described: Described, version: str) -> Described:
    """The same fleet at the version that its cluster has: what joins it is to be no newer."""
    if not version:
        return described
    configuration = described.configuration
    cluster = replace(configuration.cluster, kubernetes_version=version)
    return replace(described, fleet=replace(described.fleet, configuration=replace(configuration, cluster=cluster)))


def without_hosts(described: Described, names: Sequence[str]) -> Described:
    """The same fleet, these hosts marked absent."""
    hosts = tuple(replace(host, state="absent") if host.name in names else host for host in described.cluster.hosts)
    return replace(described, fleet=replace(described.fleet, cluster=replace(described.cluster, hosts=hosts)))


def internal_address(host: Host) -> str:
    """Where other nodes find a host, as far as the file says."""
    return host.internal_address or host.address or host.name


def ssh_of(cluster: Cluster, host: Host) -> Ssh:
    """How to reach a host: what it has of its own, over what is given for all."""
    own, all_ = host.ssh, cluster.ssh
    return Ssh(
        user=own.user or all_.user,
        port=own.port or all_.port,
        identity_file=own.identity_file or all_.identity_file,
        proxy_jump=own.proxy_jump or all_.proxy_jump,
        config_file=own.config_file or all_.config_file,
    )
