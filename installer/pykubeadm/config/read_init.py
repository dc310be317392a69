"""What `init` reads: a file or flags in, a resolved and checked configuration out, or ConfigError with every problem."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from pykubeadm.config.components import KUBE_PROXY_API, KUBELET_API, check_env_source
from pykubeadm.config.defaults import complete_cluster, complete_init
from pykubeadm.config.init_flags import CLUSTER_FLAG_AT, INIT_FLAG_AT, InitFlags, cluster_configuration, init_configuration
from pykubeadm.config.model import ClusterConfiguration, Configuration, EnvVar, InitConfiguration
from pykubeadm.config.reading import NODES_CHECKS, Environment, Reading, check_run, component, open_for, with_node_flags
from pykubeadm.config.release import offline
from pykubeadm.config.report import Report
from pykubeadm.config.source import Path, Source
from pykubeadm.config.validate_cluster import check_cluster
from pykubeadm.config.validate_node import check_init
from pykubeadm.config.versions import DEFAULT_MINOR, parse_version
from pykubeadm.errors import ConfigError, Problem
from pykubeadm.util.duration import parse_duration


def read_init(source: Source | None, flags: InitFlags, environment: Environment) -> tuple[InitConfiguration, Configuration]:
    """What `init` acts on, from a file or from flags: its own document, and the cluster with this node as its first one. The
    flags that kubeadm allows beside --config win over the file.

    Raises ConfigError with every problem.
    """
    if source is None:
        problems: list[Problem] = []
        at_init = Report(problems, environment.note, flags=INIT_FLAG_AT)
        init, cluster = (
            with_node_flags(init_configuration(flags, problems), flags, at_init),
            cluster_configuration(flags, problems),
        )
        at_cluster = Report(problems, environment.note, flags=CLUSTER_FLAG_AT)
        init, configuration = _resolved(init, Configuration(cluster), at_init, at_cluster, environment)
        if problems:
            raise ConfigError(problems)
        return init, _without_skipped_addons(configuration, init.skip_phases)
    reading = open_for(source, environment.note, flags.mixed(), "InitConfiguration", "ClusterConfiguration")
    init, configuration = init_from(reading, environment, flags)
    reading.finish()
    return init, _without_skipped_addons(configuration, init.skip_phases)


def init_from(
    reading: Reading, environment: Environment, flags: InitFlags | None = None
) -> tuple[InitConfiguration, Configuration]:
    init, at_init = reading.decoded(InitConfiguration)
    cluster, at_cluster = reading.decoded(ClusterConfiguration)
    if reading.control_plane_timeout:
        timeouts = replace(init.timeouts, control_plane_component_health_check=parse_duration(reading.control_plane_timeout))
        init = replace(init, timeouts=timeouts)
    if flags:
        init = with_node_flags(init, flags, at_init)
    for index, token in enumerate(init.bootstrap_tokens):
        path: Path = ("bootstrapTokens", index, "token")
        if not token.token and at_init.wrote(path):
            at_init.problem(path, "is empty; omit the field to have a token generated")
    newer = minor_of(cluster.kubernetes_version) > DEFAULT_MINOR
    components = {kind: component(reading, kind, newer=newer) for kind in (KUBELET_API[1], KUBE_PROXY_API[1])}
    configuration = Configuration(cluster, kubelet=components[KUBELET_API[1]], kube_proxy=components[KUBE_PROXY_API[1]])
    return _resolved(init, configuration, at_init, at_cluster, environment)


def _resolved(
    given: InitConfiguration, configuration: Configuration, at_init: Report, at_cluster: Report, environment: Environment
) -> tuple[InitConfiguration, Configuration]:
    """Defaults and checks. Both reports gather into one list."""
    init = complete_init(given, environment.host, at_init, new_token=environment.new_token)
    ask = offline if at_cluster.problems else environment.ask  # nothing will come of it, so nobody waits for an answer
    cluster = complete_cluster(configuration.cluster, init.local_api_endpoint.bind_port, at_cluster, ask=ask)
    check_init(init, at_init, is_dir=environment.is_dir)
    check_run(init.node_registration.ignore_preflight_errors, init.skip_phases, at_init, environment, where=NODES_CHECKS)
    check_cluster(cluster, init.local_api_endpoint.advertise_address, at_cluster)
    check_env_sources(cluster, at_cluster)
    return init, replace(configuration, cluster=cluster, this_node=init.this_node)


def _without_skipped_addons(configuration: Configuration, skip_phases: Sequence[str]) -> Configuration:
    """An addon whose phase is skipped is disabled in the cluster, too, so that upgrades leave it alone (kubeadm: cmd/init.go)."""
    skipped, cluster = set(skip_phases), configuration.cluster
    if skipped & {"addon", "addon/coredns"}:
        cluster = replace(cluster, dns=replace(cluster.dns, disabled=True))
    if skipped & {"addon", "addon/kube-proxy"}:
        cluster = replace(cluster, proxy=replace(cluster.proxy, disabled=True))
    return replace(configuration, cluster=cluster)


def check_env_sources(cluster: ClusterConfiguration, report: Report) -> None:
    """Report what is wrong with where the variables of the static pods get their values."""
    local = cluster.etcd.local
    places: Sequence[tuple[Path, tuple[EnvVar, ...]]] = (
        (("apiServer", "extraEnvs"), cluster.api_server.extra_envs),
        (("controllerManager", "extraEnvs"), cluster.controller_manager.extra_envs),
        (("scheduler", "extraEnvs"), cluster.scheduler.extra_envs),
        (("etcd", "local", "extraEnvs"), local.extra_envs if local else ()),
    )
    for path, variables in places:
        for index, variable in enumerate(variables):
            check_env_source(variable.value_from, (*path, index, "valueFrom"), report)


def minor_of(text: str) -> int:
    """Of a version; the default's where it is none, which is reported elsewhere."""
    try:
        return parse_version(text).minor
    except ValueError:
        return DEFAULT_MINOR
