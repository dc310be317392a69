"""Checks of the Cluster document; all run, and report every problem."""

from __future__ import annotations

import re
from collections.abc import Callable
from urllib.parse import urlsplit

from pykubeadm.config import rules
from pykubeadm.config.fleet import (
    CONTROL_PLANE,
    ETCD,
    LOAD_BALANCER,
    NETWORKS,
    PARTS,
    RUNTIMES,
    STATES,
    WORKER,
    Cluster,
    Host,
    LoadBalancer,
    Mirror,
    Network,
    Ssh,
)
from pykubeadm.config.model import ClusterConfiguration
from pykubeadm.config.report import Report
from pykubeadm.config.source import Path
from pykubeadm.config.validate_node import check_arguments, check_taints
from pykubeadm.constants import API_SERVER_PORT
from pykubeadm.transport.proxies import without_password
from pykubeadm.util.ip import parse_ip

_SSH_NAME = re.compile(r"[A-Za-z0-9_:][\w.:-]*", re.ASCII)  # of a host or user: nothing that ssh(1) takes for an option
_FOUR_NUMBERS = re.compile(r"\d+(\.\d+){3}", re.ASCII)
_INTERFACE = re.compile(r"[A-Za-z0-9][\w.@-]{0,14}", re.ASCII)  # as long as Linux has them (IFNAMSIZ)
_NO_PROXY = re.compile(r"[^\s,]+")
_OTHER_REGISTRIES = "_default"  # containerd's name for them
_SSH_PORT = 22
_LONGEST_PREFIX = 128
_JUMP = re.compile(rf"({_SSH_NAME.pattern}@)?{_SSH_NAME.pattern}", re.ASCII)


def check_fleet(cluster: Cluster, kubeadm: ClusterConfiguration, report: Report, *, manifest: Callable[[str], str]) -> None:
    """`kubeadm` is the file's ClusterConfiguration, with defaults; `manifest` looks at a file on this machine."""
    if not cluster.hosts:
        report.problem(("hosts",), "there are no hosts; name the machines of the cluster")
    elif not cluster.having(CONTROL_PLANE):
        report.problem(("hosts",), f"there is no control plane; give a host that is present the part {CONTROL_PLANE}")
    for index, host in enumerate(cluster.hosts):
        _host(host, ("hosts", index), report)
    _unique(cluster, report)
    _internal_addresses(cluster, report)
    _found_by_others(cluster, kubeadm, report)
    _ssh(cluster.ssh, ("ssh",), report)
    report.problem(("runtime",), rules.one_of(cluster.runtime, RUNTIMES))
    _network(cluster.network, kubeadm, report, manifest)
    _taken_addresses(cluster, kubeadm, report)
    _load_balancer(cluster.load_balancer, cluster, kubeadm, report)
    if cluster.having(ETCD) and kubeadm.etcd.external:
        report.problem(("hosts",), f"hosts have the part {ETCD}, and the ClusterConfiguration has an external etcd; choose one")
    for index, mirror in enumerate(cluster.registry_mirrors):
        _mirror(mirror, ("registryMirrors", index), report)
        if cluster.runtime == "crio":
            _mirror_of_crio(mirror, ("registryMirrors", index), report)
    for name in ("http", "https"):
        if value := getattr(cluster.proxy, name):
            _http_url(value, ("proxy", name), report)
    for index, entry in enumerate(cluster.proxy.no_proxy):
        if not _NO_PROXY.fullmatch(entry):
            report.problem(("proxy", "noProxy", index), f'"{entry}" is not a name or network, such as .example.com or 10.0.0.0/8')


def _host(host: Host, path: Path, report: Report) -> None:
    report.problem((*path, "name"), rules.subdomain(host.name) if host.name else "a host needs a name")
    if host.address and not _is_ssh_host(host.address):
        report.problem((*path, "address"), f'"{host.address}" is not an IP address or host name')
    if host.internal_address:
        sentence = f"no other node finds it at {host.internal_address}" if _is_loopback(host.internal_address) else ""
        report.problem((*path, "internalAddress"), rules.address(host.internal_address) or sentence)
    report.problem((*path, "state"), rules.one_of(host.state, STATES))
    if not host.parts and host.state != "absent":
        report.problem(path, f"the host has no parts; give it some of {', '.join(PARTS)}")
    for index, part in enumerate(host.parts):
        report.problem((*path, "parts", index), rules.one_of(part, PARTS))
        if part in host.parts[:index]:
            report.problem((*path, "parts", index), f"{part} is given twice")
    if LOAD_BALANCER in host.parts and WORKER in host.parts and CONTROL_PLANE not in host.parts:
        report.problem((*path, "parts"), "a load balancer is a machine of its own or a control plane, not a worker")
    if ETCD in host.parts:
        _etcd_host(host, path, report)
    _ssh(host.ssh, (*path, "ssh"), report)
    for key, value in host.labels.items():
        report.problem((*path, "labels", key), rules.qualified_name(key) or rules.label_value(value))
    check_taints(host.taints or (), (*path, "taints"), report)
    check_arguments(host.kubelet_extra_args, (*path, "kubeletExtraArgs"), report)


def _is_ssh_host(text: str) -> bool:
    """What ssh(1) can be given: an address, a DNS name, an alias of ~/.ssh/config. Labels are as in RFC 1035, 2.3.4. What looks
    like an IPv4 address is one, or a mistyped one."""
    if _FOUR_NUMBERS.fullmatch(text):
        return parse_ip(text) is not None
    return bool(_SSH_NAME.fullmatch(text)) and all(1 <= len(label) <= 63 for label in text.removesuffix(".").split("."))


def _etcd_host(host: Host, path: Path, report: Report) -> None:
    if len(host.parts) > 1:
        sentence = "a host with the part etcd has no other; where no host has it, each control plane has a member of its own"
        report.problem((*path, "parts"), sentence)
    if not host.internal_address and (rules.address(host.address or host.name) or _is_loopback(host.address)):
        report.problem(path, "control planes reach etcd by an IP address: give the host one, as its address or internalAddress")


def _unique(cluster: Cluster, report: Report) -> None:
    """Names, and where ssh finds machines: one machine is one host."""
    names: dict[str, int] = {}
    places: dict[tuple[str, int], int] = {}
    for index, host in enumerate(cluster.hosts):
        if host.name and names.setdefault(host.name, index) != index:
            report.problem(("hosts", index, "name"), f"{host.name} is given twice; the first is hosts[{names[host.name]}]")
        address = host.address or host.name
        place = (str(parse_ip(address) or address), host.ssh.port or cluster.ssh.port or _SSH_PORT)
        if address and places.setdefault(place, index) != index and names.get(host.name) == index:
            report.problem(("hosts", index, "address"), f"{address} is the address of hosts[{places[place]}], too")


def _internal_addresses(cluster: Cluster, report: Report) -> None:
    """Each is of one machine alone, and the one that moves between load balancers of none."""
    known: dict[str, int] = {}
    moving = parse_ip(cluster.load_balancer.address)
    for index, host in enumerate(cluster.hosts):
        address = host.internal_address
        if host.state == "absent":
            continue
        if address and known.setdefault(address, index) != index:
            sentence = f"{address} is the internalAddress of hosts[{known[address]}], too"
            report.problem(("hosts", index, "internalAddress"), sentence)
        if moving and moving in (parse_ip(address), parse_ip(host.address)):
            sentence = f"{moving} is {host.name}'s own address: give one that is free to move between load balancers"
            report.problem(("loadBalancer", "address"), sentence)


def _found_by_others(cluster: Cluster, kubeadm: ClusterConfiguration, report: Report) -> None:
    """Load balancers and who goes through them know a host's address from the file alone; no machine is asked for it."""
    balancers, moving = cluster.having(LOAD_BALANCER), cluster.load_balancer.address
    for index, host in enumerate(cluster.hosts):
        address = host.internal_address or host.address or host.name
        sentence = ""
        if CONTROL_PLANE in host.parts and balancers and _is_loopback(address):
            sentence = f"load balancers find no control plane at {address}: give it an internalAddress"
        elif host in balancers and moving and len(balancers) > 1 and not parse_ip(address):
            sentence = "load balancers speak to each other by IP addresses: give it one, as its address or internalAddress"
        elif host in balancers and not kubeadm.control_plane_endpoint and _is_loopback(address):
            sentence = f"nodes find no load balancer at {address}: give it an internalAddress"
        if host.state != "absent":
            report.problem(("hosts", index), sentence)


def _is_loopback(text: str) -> bool:
    address = parse_ip(text)
    return address.is_loopback or address.is_unspecified if address else text.lower() == "localhost"


def _ssh(ssh: Ssh, path: Path, report: Report) -> None:
    if ssh.port or report.wrote((*path, "port")):
        report.problem((*path, "port"), rules.port(ssh.port))
    if ssh.user and not _SSH_NAME.fullmatch(ssh.user):
        report.problem((*path, "user"), f'"{ssh.user}" is not a user name')
    if ssh.proxy_jump and not _JUMP.fullmatch(ssh.proxy_jump):
        report.problem((*path, "proxyJump"), f'"{ssh.proxy_jump}" is not [user@]host[:port]')


def _network(network: Network, kubeadm: ClusterConfiguration, report: Report, manifest: Callable[[str], str]) -> None:
    report.problem(("network", "plugin"), rules.one_of(network.plugin, NETWORKS))
    if network.plugin == "manifest" and not network.manifest:
        report.problem(("network",), "plugin manifest needs the manifest's path or URL in manifest")
    if network.plugin == "manifest" and "://" in network.manifest:
        _http_url(network.manifest, ("network", "manifest"), report)
    elif network.plugin == "manifest" and network.manifest:
        report.problem(("network", "manifest"), manifest(network.manifest))
    if network.plugin in ("bridge", "flannel") and not kubeadm.networking.pod_subnet:
        report.problem(("network", "plugin"), f"{network.plugin} needs networking.podSubnet in the ClusterConfiguration")
    if network.manifest and network.plugin != "manifest":
        report.problem(("network", "manifest"), "means nothing without plugin: manifest")


def _taken_addresses(cluster: Cluster, kubeadm: ClusterConfiguration, report: Report) -> None:
    """Warnings of machines whose address pods or Services would have, too; what runs already cannot be changed. Of networks that
    are not ours pods may have such addresses on purpose."""
    subnets = {"Services'": kubeadm.networking.service_subnet}
    if cluster.network.plugin in ("bridge", "flannel"):
        subnets["pods'"] = kubeadm.networking.pod_subnet
    for host in cluster.present:
        address = parse_ip(host.internal_address or host.address or host.name)
        for whose, text in subnets.items():
            found, why = rules.networks(text) if text and address else ((), "")
            for subnet in () if why else found:
                if address and address.version == subnet.version and address in subnet:
                    report.note(
                        f"the address {address} of {host.name} is one of the {whose} {subnet}, and cannot be reached where both "
                        "are in use: choose a subnet that no machine is in"
                    )


def _load_balancer(balancer: LoadBalancer, cluster: Cluster, kubeadm: ClusterConfiguration, report: Report) -> None:
    machines, where = cluster.having(LOAD_BALANCER), ("loadBalancer",)
    report.problem((*where, "port"), rules.port(balancer.port))
    if not 1 <= balancer.router_id <= 255:
        report.problem((*where, "routerId"), f"{balancer.router_id} is not a VRRP router id; those are 1 to 255")
    if balancer.prefix is not None and not 1 <= balancer.prefix <= _LONGEST_PREFIX:
        report.problem((*where, "prefix"), f"{balancer.prefix} is not a prefix length")
    if balancer.interface and not _INTERFACE.fullmatch(balancer.interface):
        report.problem((*where, "interface"), f'"{balancer.interface}" is not the name of a network interface')
    _listens(balancer, cluster, kubeadm, report)
    if balancer.address:
        report.problem((*where, "address"), rules.address(balancer.address))
        if not machines:
            report.problem((*where, "address"), f"no host has the part {LOAD_BALANCER}, so nobody would have this address")
        if not balancer.interface:
            report.problem(where, "the address needs the interface that carries it")
        address = parse_ip(balancer.address)
        if address and balancer.prefix and address.max_prefixlen < balancer.prefix <= _LONGEST_PREFIX:
            report.problem((*where, "prefix"), f"{balancer.prefix} is not a prefix length of {address}")
    elif not machines and balancer != LoadBalancer():
        report.problem(where, f"means nothing without a host that has the part {LOAD_BALANCER}")
    elif len(machines) > 1:
        report.problem(where, "several load balancers need an address that moves between them")
    shared = [host.name for host in machines if CONTROL_PLANE in host.parts]
    if shared and balancer.port == API_SERVER_PORT:
        report.problem(
            (*where, "port"), f"{API_SERVER_PORT} is the API server's on {', '.join(shared)}; give the load balancer another one"
        )
    if len(cluster.having(CONTROL_PLANE)) > 1 and not machines and not kubeadm.control_plane_endpoint:
        report.problem(
            ("hosts",),
            f"several control planes need one address: give hosts the part {LOAD_BALANCER}, or set controlPlaneEndpoint in the "
            "ClusterConfiguration",
        )


def _listens(balancer: LoadBalancer, cluster: Cluster, kubeadm: ClusterConfiguration, report: Report) -> None:
    """An endpoint that is an address of a load balancer of ours has its port."""
    given, machines = kubeadm.control_plane_endpoint, cluster.having(LOAD_BALANCER)
    known = {parse_ip(text) for host in machines for text in (balancer.address, host.internal_address, host.address)} - {None}
    endpoint = rules.split_endpoint(given)
    if endpoint and parse_ip(endpoint[0]) in known and endpoint[1] != str(balancer.port):
        sentence = f"controlPlaneEndpoint is {given}, and the load balancer listens on port {balancer.port}"
        report.problem(("loadBalancer", "port"), sentence)


def _mirror_of_crio(mirror: Mirror, path: Path, report: Report) -> None:
    if mirror.only:
        report.problem((*path, "only"), "CRI-O asks the registry itself, too, where no mirror has an image; use containerd")
    if mirror.ca:
        place = urlsplit(next(iter(mirror.urls), "")).netloc or "HOST"
        sentence = f"CRI-O finds it as /etc/containers/certs.d/{place}/ca.crt: put it there on the nodes, and leave ca out"
        report.problem((*path, "ca"), sentence)


def _mirror(mirror: Mirror, path: Path, report: Report) -> None:
    if not mirror.registry:
        report.problem(path, "a mirror needs the registry that it stands for")
    elif mirror.registry != _OTHER_REGISTRIES:
        report.problem((*path, "registry"), rules.registry(mirror.registry))
    if mirror.ca:
        report.problem((*path, "ca"), rules.absolute_path(mirror.ca))
    if not mirror.urls:
        report.problem(path, "a mirror needs urls")
    for index, url in enumerate(mirror.urls):
        _http_url(url, (*path, "urls", index), report)


def _http_url(text: str, path: Path, report: Report) -> None:
    try:
        parts = urlsplit(text)
        good = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        good = False
    if not good:
        report.problem(path, f'"{without_password(text)}" is not an http or https URL')
