"""What `cluster` reads: the file of a whole cluster."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from pykubeadm.config.components import KUBE_PROXY_API, KUBELET_API
from pykubeadm.config.defaults import filled
from pykubeadm.config.fleet import FLEET_API, FLEET_KIND, Cluster, Fleet
from pykubeadm.config.init_flags import InitFlags
from pykubeadm.config.read_init import init_from, read_init
from pykubeadm.config.reading import KINDS, Environment, open_source
from pykubeadm.config.release import offline
from pykubeadm.config.report import Report
from pykubeadm.config.source import Path, Source
from pykubeadm.config.validate_cluster import check_cluster
from pykubeadm.config.validate_fleet import check_fleet
from pykubeadm.config.validate_variables import check_variables
from pykubeadm.config.versions import NEWEST_KNOWN, parse_version
from pykubeadm.errors import ConfigError, Problem
from pykubeadm.util.dataclass import dataclass

# Which variable of an inventory gives the value at a path: of the ClusterConfiguration, and of the Cluster document.
_INVENTORY_AT: Mapping[Path, str] = {
    ("kubernetesVersion",): "--inventory: kubelet_version",
    ("networking", "podSubnet"): "--inventory: cni_cluster_cidrs",
}
_VARIABLES: Mapping[Path, str] = {
    ("network",): "cni_network",
    ("runtime",): "prepare_runtime",
    ("loadBalancer", "port"): "load_balancer_port",
    ("loadBalancer", "address"): "load_balancer_address",
    ("loadBalancer", "interface"): "load_balancer_interface",
    ("loadBalancer", "prefix"): "load_balancer_prefix",
    ("loadBalancer",): "load_balancer_address",
}


@dataclass(frozen=True, slots=True)
class Listed:
    """What an inventory says of a cluster. `kubernetes_version` and `pod_subnet` are as typed, "" where it does not say."""

    cluster: Cluster
    kubernetes_version: str = ""
    pod_subnet: str = ""


def read_fleet(source: Source, environment: Environment, *, inventory: Listed | None = None) -> Fleet:
    """A cluster file. Where the hosts are those of an `inventory`, it names none, and needs no Cluster document; what the file
    does not say is as the inventory says.

    Raises ConfigError with every problem.
    """
    reading = open_source(source, environment.note, {**KINDS, FLEET_API: (FLEET_KIND,)}, start="pykubeadm cluster init")
    readable = not reading.problems  # else what is missing may be among what could not be read
    for kind, document in reading.documents.items():
        if kind not in (FLEET_KIND, "ClusterConfiguration", KUBELET_API[1], KUBE_PROXY_API[1]):
            sentence = f"{kind} is of one node; what a host has of its own stands in {FLEET_KIND}"
            reading.problems.append(document.problem(("kind",), sentence))
    if inventory is None and FLEET_KIND not in reading.documents:
        sentence = f"the file holds no {FLEET_KIND} ({FLEET_API}), which names the hosts"
        if readable:
            reading.problems.append(Problem(source.name, 1, 1, "", sentence))
        reading.finish()
    cluster, report = reading.decoded(Cluster)
    check_variables(cluster, report, environment.role_options)
    if inventory is not None:
        if cluster.hosts:
            report.problem(("hosts",), "the hosts are those of the inventory; name them there or here")
        cluster = _over(inventory.cluster, cluster, report)
        report = _of_inventory(inventory, report)
    given = reading.documents.get("ClusterConfiguration")
    names_version = given is not None and bool(given.data.get("kubernetesVersion"))
    configuration = init_from(reading, environment if names_version else replace(environment, ask=offline))[1]
    written = given.data if given is not None else {}
    fleet = Fleet(filled(cluster), configuration, names_version, describes_cluster=given is not None, cluster_document=written)
    if inventory is not None and not reading.problems:
        fleet = _with_said(fleet, inventory, Report(reading.problems, environment.note, flags=_INVENTORY_AT))
    check_fleet(fleet.cluster, fleet.configuration.cluster, report, manifest=environment.manifest)
    reading.finish()
    return fleet


def read_listed(inventory: Listed, environment: Environment) -> Fleet:
    """The cluster of an inventory alone. Raises ConfigError with every problem."""
    problems: list[Problem] = []
    configuration = read_init(None, InitFlags(kubernetes_version=NEWEST_KNOWN), environment)[1]
    fleet = Fleet(inventory.cluster, configuration, names_version=False)
    fleet = _with_said(fleet, inventory, Report(problems, environment.note, flags=_INVENTORY_AT))
    report = _of_inventory(inventory, Report(problems, environment.note))
    check_fleet(fleet.cluster, fleet.configuration.cluster, report, manifest=environment.manifest)
    if problems:
        raise ConfigError(problems)
    return fleet


def _of_inventory(inventory: Listed, report: Report) -> Report:
    """Where problems of hosts, and of what the document does not have, are those of the inventory."""
    hosts: dict[Path, str] = {("hosts", at): f"--inventory: {host.name}" for at, host in enumerate(inventory.cluster.hosts)}
    rest = {path: f"--inventory: {name}" for path, name in _VARIABLES.items() if not report.wrote(path[:1])}
    return replace(report, flags={**hosts, ("hosts",): "--inventory", **rest})


def _over(inventory: Cluster, cluster: Cluster, report: Report) -> Cluster:
    """The document's settings, and where it has none the inventory's; the hosts are the inventory's."""
    names = {"load_balancer": "loadBalancer", "network": "network", "runtime": "runtime"}
    unwritten = {name: getattr(inventory, name) for name, alias in names.items() if not report.wrote((alias,))}
    return replace(cluster, hosts=inventory.hosts, **unwritten)


def _with_said(fleet: Fleet, inventory: Listed, report: Report) -> Fleet:
    """What the ClusterConfiguration does not say as the inventory says it."""
    cluster, names_version = fleet.configuration.cluster, fleet.names_version
    if inventory.kubernetes_version and not names_version:
        names_version = True
        try:
            cluster = replace(cluster, kubernetes_version=str(parse_version(inventory.kubernetes_version)))
        except ValueError as error:
            report.problem(("kubernetesVersion",), str(error))
    if inventory.pod_subnet and not cluster.networking.pod_subnet:
        cluster = replace(cluster, networking=replace(cluster.networking, pod_subnet=inventory.pod_subnet))
    if cluster != fleet.configuration.cluster:
        check_cluster(cluster, "", report)
    return replace(fleet, configuration=replace(fleet.configuration, cluster=cluster), names_version=names_version)
