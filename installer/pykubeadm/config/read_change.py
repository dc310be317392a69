"""What `reconfigure` reads: a file in, the cluster and this node as they are to be out, or ConfigError with every problem."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from pykubeadm.config.components import KUBE_PROXY_API, KUBELET_API
from pykubeadm.config.defaults import complete_cluster, complete_init
from pykubeadm.config.fixed import (
    kubelet_with_what_is_fixed,
    of_this_node,
    refuse_fixed,
    refuse_other_node,
    with_what_is_fixed,
)
from pykubeadm.config.model import ClusterConfiguration, Configuration, InitConfiguration, ThisNode
from pykubeadm.config.read_init import check_env_sources, minor_of
from pykubeadm.config.reading import Environment, Reading, component, open_for
from pykubeadm.config.release import offline
from pykubeadm.config.report import Report
from pykubeadm.config.source import Source
from pykubeadm.config.validate_cluster import check_cluster
from pykubeadm.config.validate_node import check_init
from pykubeadm.config.versions import DEFAULT_MINOR

_OF_INIT_ALONE: Final = (
    ("bootstrapTokens",),
    ("certificateKey",),
    ("dryRun",),
    ("skipPhases",),
    ("nodeRegistration", "taints"),
)


def read_change(
    source: Source,
    stored: ClusterConfiguration,
    stored_kubelet: Callable[[], Mapping[str, Any]],
    node: ThisNode,
    environment: Environment,
) -> Configuration:
    """What `reconfigure` makes of a cluster with the ClusterConfiguration `stored` and of its node `node`. Documents that the
    file does not have change nothing: `kubelet` and `kube_proxy` are {} then. What cannot be changed may be left out.

    Raises ConfigError with every problem: what is wrong, and what would have to change that cannot.
    """
    reading = open_for(
        source, environment.note, (), "ClusterConfiguration", "InitConfiguration", KUBELET_API[1], KUBE_PROXY_API[1]
    )
    cluster = stored
    if "ClusterConfiguration" in reading.documents:
        given, report = reading.decoded(ClusterConfiguration)
        given = with_what_is_fixed(given, stored, report)
        ask = offline if report.problems else environment.ask
        cluster = complete_cluster(given, node.local_api_endpoint.bind_port, report, ask=ask)
        check_cluster(cluster, node.local_api_endpoint.advertise_address, report)
        check_env_sources(cluster, report)
        refuse_fixed(cluster, stored, report)
    if "InitConfiguration" in reading.documents:
        node = _changed_node(reading, node, environment)
    newer = minor_of(stored.kubernetes_version) > DEFAULT_MINOR
    kubelet, kube_proxy = (component(reading, kind, newer=newer) for kind in (KUBELET_API[1], KUBE_PROXY_API[1]))
    if kubelet:
        report = Report(reading.problems, reading.note, reading.documents[KUBELET_API[1]], source.name)
        kubelet = kubelet_with_what_is_fixed(kubelet, stored_kubelet(), report)
    reading.finish()
    return Configuration(cluster, node, kubelet, kube_proxy)


def _changed_node(reading: Reading, node: ThisNode, environment: Environment) -> ThisNode:
    """The node as the file's InitConfiguration has it."""
    given, report = reading.decoded(InitConfiguration)
    for path in _OF_INIT_ALONE:
        if report.wrote(path):
            reading.note(f"{reading.source.name}: {'.'.join(path)} is for `init` and is not read here")
    given = of_this_node(given, node, report)
    init = complete_init(given, environment.host, report, new_token=environment.new_token)
    check_init(init, report, is_dir=environment.is_dir)
    refuse_other_node(init, node, report)
    return init.this_node
