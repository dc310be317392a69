"""What `cluster` reads: the file of a whole cluster."""

from __future__ import annotations

from dataclasses import replace

from pykubeadm.config.components import KUBE_PROXY_API, KUBELET_API
from pykubeadm.config.defaults import filled
from pykubeadm.config.fleet import FLEET_API, FLEET_KIND, Cluster, Fleet
from pykubeadm.config.read_init import init_from
from pykubeadm.config.reading import KINDS, Environment, open_source
from pykubeadm.config.release import offline
from pykubeadm.config.report import Report
from pykubeadm.config.source import Source
from pykubeadm.config.validate_fleet import check_fleet
from pykubeadm.errors import Problem


def read_fleet(source: Source, environment: Environment, *, inventory: Cluster | None = None) -> Fleet:
    """A cluster file. Where the hosts are those of an `inventory`, it names none, and needs no Cluster document.

    Raises ConfigError with every problem.
    """
    reading = open_source(source, environment.note, {**KINDS, FLEET_API: (FLEET_KIND,)})
    for kind, document in reading.documents.items():
        if kind not in (FLEET_KIND, "ClusterConfiguration", KUBELET_API[1], KUBE_PROXY_API[1]):
            sentence = f"{kind} is of one node; what a host has of its own stands in {FLEET_KIND}"
            reading.problems.append(document.problem(("kind",), sentence))
    if inventory is None and FLEET_KIND not in reading.documents:
        sentence = f"the file holds no {FLEET_KIND} ({FLEET_API}), which names the hosts"
        reading.problems.append(Problem(source.name, 1, 1, "", sentence))
        reading.finish()
    cluster, report = reading.decoded(Cluster)
    if inventory is not None:
        if cluster.hosts:
            report.problem(("hosts",), "the hosts are those of the inventory; name them there or here")
        balancer = cluster.load_balancer if report.wrote(("loadBalancer",)) else inventory.load_balancer
        cluster = replace(cluster, hosts=inventory.hosts, load_balancer=balancer)
        report = Report(reading.problems, environment.note, source="inventory")
    given = reading.documents.get("ClusterConfiguration")
    names_version = given is not None and bool(given.data.get("kubernetesVersion"))
    configuration = init_from(reading, environment if names_version else replace(environment, ask=offline))[1]
    cluster = filled(cluster)
    check_fleet(cluster, configuration.cluster, report)
    reading.finish()
    written = given.data if given is not None else {}
    return Fleet(cluster, configuration, names_version, describes_cluster=given is not None, cluster_document=written)
