"""The ways into this layer: a file or flags in, a resolved and checked configuration out, or ConfigError with every problem.

Called by the command line and by phases that read a configuration from the cluster. What must be known of the environment comes
in as arguments; nothing here touches a machine.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from pykubeadm.config.components import KUBE_PROXY_API, KUBELET_API, check_component, check_env_source
from pykubeadm.config.decode import decode, without_nulls
from pykubeadm.config.defaults import complete_cluster, complete_init, complete_join, complete_reset, filled
from pykubeadm.config.fleet import FLEET_API, FLEET_KIND, Cluster, Fleet
from pykubeadm.config.host import HostFacts
from pykubeadm.config.init_flags import CLUSTER_FLAG_AT, INIT_FLAG_AT, InitFlags, cluster_configuration, init_configuration
from pykubeadm.config.join_flags import JOIN_FLAG_AT, JoinFlags, join_configuration
from pykubeadm.config.load import load
from pykubeadm.config.migrate import OLD_API_VERSION, migrated
from pykubeadm.config.model import (
    API_VERSION,
    ClusterConfiguration,
    Configuration,
    EnvVar,
    InitConfiguration,
    JoinConfiguration,
    Model,
    NodeRegistration,
    ResetConfiguration,
    UpgradeConfiguration,
)
from pykubeadm.config.release import LookUp, is_label, look_up_label, offline
from pykubeadm.config.report import Notes, Report
from pykubeadm.config.reset_flags import RESET_FLAG_AT, ResetFlags, reset_configuration
from pykubeadm.config.source import Document, Path, Source
from pykubeadm.config.upgrade_flags import Part, UpgradeFlags
from pykubeadm.config.validate_cluster import check_cluster
from pykubeadm.config.validate_fleet import check_fleet
from pykubeadm.config.validate_node import check_init, check_join, check_reset, check_upgrade
from pykubeadm.config.versions import DEFAULT_MINOR, parse_version
from pykubeadm.errors import ConfigError, Problem
from pykubeadm.util.duration import parse_duration

M = TypeVar("M", bound=Model)
N = TypeVar("N", InitConfiguration, JoinConfiguration)

_NODES_CHECKS: Path = ("nodeRegistration", "ignorePreflightErrors")
_OLD_KINDS = ("InitConfiguration", "ClusterConfiguration", "JoinConfiguration")
Kinds = Mapping[str, tuple[str, ...]]  # API version → the documents that are read
_KINDS: Kinds = {
    API_VERSION: (*_OLD_KINDS, "ResetConfiguration", "UpgradeConfiguration"),
    OLD_API_VERSION: _OLD_KINDS,
    KUBELET_API[0]: (KUBELET_API[1],),
    KUBE_PROXY_API[0]: (KUBE_PROXY_API[1],),
}
_NO_CLUSTER = (
    "give the API server's host:port with --token and --discovery-token-ca-cert-hash, or --discovery-file; "
    "`pykubeadm token create --print-join-command` on a control plane prints the whole command"
)
# Since which kubeadm each older API is no longer read.
_GONE = {"v1alpha1": "1.12", "v1alpha2": "1.13", "v1alpha3": "1.15", "v1beta1": "1.22", "v1beta2": "1.27"}


def _yes(_path: str) -> bool:
    return True


def _silent(_note: str) -> None:
    return


@dataclass(frozen=True, slots=True, kw_only=True)
class Environment:
    """What reading a configuration needs of the environment.

    `new_token` makes a bootstrap token; `ask` gives the version behind a label, None where it cannot; `phases` names those that
    can be skipped, and is None where none will run: what only a run goes by is not checked then; `is_dir` and `is_file` look at
    the node; `note` takes each remark (a deprecation, a value that was guessed).
    """

    host: HostFacts
    new_token: Callable[[], str]
    ask: LookUp = offline
    phases: Callable[[], Sequence[str]] | None = None
    is_dir: Callable[[str], bool] = _yes
    is_file: Callable[[str], bool] = _yes
    note: Notes = _silent


@dataclass(slots=True)
class _Reading:
    """One file: its documents by kind, brought to v1beta4, and what is wrong so far."""

    source: Source
    note: Notes
    problems: list[Problem] = field(default_factory=list)
    documents: dict[str, Document] = field(default_factory=dict)
    control_plane_timeout: str = ""  # v1beta3 has it in the ClusterConfiguration

    def decoded(self, model: type[M]) -> tuple[M, Report]:
        """The document of the model's kind, or its defaults where there is none."""
        document = self.documents.get(model.__name__)
        if document is None:
            return model(), Report(self.problems, self.note, source=self.source.name)
        found, problems, broken = decode(model, document)
        self.problems += problems
        return found, Report(self.problems, self.note, document, self.source.name, broken=broken)

    def finish(self) -> None:
        if self.problems:
            raise ConfigError(self.problems)


def read_init(source: Source | None, flags: InitFlags, environment: Environment) -> tuple[InitConfiguration, Configuration]:
    """What `init` acts on, from a file or from flags: its own document, and the cluster with this node as its first one. The
    flags that kubeadm allows beside --config win over the file.

    Raises ConfigError with every problem.
    """
    if source is None:
        problems: list[Problem] = []
        at_init = Report(problems, environment.note, flags=INIT_FLAG_AT)
        init, cluster = _with_flags(init_configuration(flags, problems), flags, at_init), cluster_configuration(flags, problems)
        at_cluster = Report(problems, environment.note, flags=CLUSTER_FLAG_AT)
        init, configuration = _resolved(init, Configuration(cluster), at_init, at_cluster, environment)
        if problems:
            raise ConfigError(problems)
        return init, _without_skipped_addons(configuration, init.skip_phases)
    reading = _open(source, environment.note)
    reading.problems += [Problem(name, 0, 0, "", "cannot be given together with --config") for name in flags.mixed()]
    _want(reading, "InitConfiguration", "ClusterConfiguration")
    init, configuration = _init_from(reading, environment, flags)
    reading.finish()
    return init, _without_skipped_addons(configuration, init.skip_phases)


def read_join(source: Source | None, flags: JoinFlags, environment: Environment) -> JoinConfiguration:
    """What `join` acts on, from a file or from flags; the flags that kubeadm allows beside --config win over the file.

    Raises ConfigError with every problem.
    """
    if source is None:
        problems: list[Problem] = []
        if not flags.api_server_endpoint and not flags.discovery_file:
            raise ConfigError([Problem("discovery", 0, 0, "", _NO_CLUSTER)])
        if names := flags.without_control_plane():  # a warning only, as in kubeadm
            environment.note(f"{', '.join(names)} means nothing without --control-plane: this node joins as a worker")
        token = "--discovery-token" if flags.discovery_token else "--token"
        flag_at = {**JOIN_FLAG_AT, ("discovery", "bootstrapToken", "token"): token}
        report = Report(problems, environment.note, flags=flag_at)
        join = _join(_with_flags(join_configuration(flags), flags, report), report, environment)
        if problems:
            raise ConfigError(problems)
        return join
    reading = _open(source, environment.note)
    reading.problems += [Problem(name, 0, 0, "", "cannot be given together with --config") for name in flags.mixed()]
    _want(reading, "JoinConfiguration")
    if "JoinConfiguration" not in reading.documents:
        reading.finish()  # a document that is not there has no missing fields
    join, report = reading.decoded(JoinConfiguration)
    join = _join(_with_flags(join, flags, report), report, environment)
    reading.finish()
    return join


def read_reset(source: Source | None, flags: ResetFlags, environment: Environment) -> ResetConfiguration:
    """What `reset` acts on, from a file or from flags; the flags that kubeadm allows beside --config win over the file.

    Raises ConfigError with every problem.
    """
    if source is None:
        problems: list[Problem] = []
        report = Report(problems, environment.note, flags=RESET_FLAG_AT)
        reset = _reset(_with_reset_flags(reset_configuration(flags), flags, report), report, environment)
        if problems:
            raise ConfigError(problems)
        return reset
    reading = _open(source, environment.note)
    reading.problems += [Problem(name, 0, 0, "", "cannot be given together with --config") for name in flags.mixed()]
    _want(reading, "ResetConfiguration")
    found, report = reading.decoded(ResetConfiguration)
    reset = _reset(_with_reset_flags(found, flags, report), report, environment)
    reading.finish()
    return reset


def read_upgrade(source: Source | None, part: Part, flags: UpgradeFlags, environment: Environment) -> UpgradeConfiguration:
    """What `upgrade apply`, `node`, `plan` or `diff` (its `part`) acts on, from a file or from flags; the flags that kubeadm
    allows beside --config, and the version, win over the file. A version that is given is one with a leading "v".

    Raises ConfigError with every problem.
    """
    if source is None:
        problems: list[Problem] = []
        upgrade = _upgrade(UpgradeConfiguration(), part, flags, Report(problems, environment.note), environment)
        if problems:
            raise ConfigError(problems)
        return upgrade
    reading = _open(source, environment.note)
    reading.problems += [Problem(name, 0, 0, "", "cannot be given together with --config") for name in flags.mixed()]
    _want(reading, "UpgradeConfiguration")
    found, report = reading.decoded(UpgradeConfiguration)
    upgrade = _upgrade(found, part, flags, report, environment)
    reading.finish()
    return upgrade


def read_fleet(source: Source, environment: Environment, *, inventory: Cluster | None = None) -> Fleet:
    """A cluster file. Where the hosts are those of an `inventory`, it names none, and needs no Cluster document.

    Raises ConfigError with every problem.
    """
    reading = _open(source, environment.note, {**_KINDS, FLEET_API: (FLEET_KIND,)})
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
    configuration = _init_from(reading, environment if names_version else replace(environment, ask=offline))[1]
    cluster = filled(cluster)
    check_fleet(cluster, configuration.cluster, report)
    reading.finish()
    return Fleet(cluster, configuration, names_version)


def read_all(source: Source, environment: Environment) -> list[Model]:
    """Every kubeadm document of a file, in v1beta4 with its defaults, as `config validate` and `config migrate` need them:
    an InitConfiguration always comes with its ClusterConfiguration. Raises ConfigError with every problem of all of them."""
    reading = _open(source, environment.note)
    found: list[Model] = []
    if {"InitConfiguration", "ClusterConfiguration"} & reading.documents.keys():
        init, configuration = _init_from(reading, environment)
        found += [init, configuration.cluster]
    else:
        for kind in (KUBELET_API[1], KUBE_PROXY_API[1]):
            if kind in reading.documents:
                _component(reading, kind, newer=False)
    if "JoinConfiguration" in reading.documents:
        found.append(_join_from(reading, environment))
    if "ResetConfiguration" in reading.documents:
        found.append(_reset_from(reading, environment))
    if "UpgradeConfiguration" in reading.documents:
        found.append(_upgrade_from(reading, environment))
    reading.finish()
    return found


def _open(source: Source, note: Notes, known: Kinds = _KINDS) -> _Reading:
    documents, problems = load(source)
    reading = _Reading(source, note, problems)
    for document in documents:
        _admit(document, reading, known)
    kinds = reading.documents
    if "InitConfiguration" in kinds and "JoinConfiguration" in kinds:
        sentence = "a node either starts a cluster or joins one: InitConfiguration and JoinConfiguration do not go into one file"
        reading.problems.append(kinds["JoinConfiguration"].problem(("kind",), sentence))
    return reading


def _admit(document: Document, reading: _Reading, known: Kinds) -> None:
    if document.kind not in known.get(document.api_version, ()):
        path, sentence = _unknown_api(document, known)
        reading.problems.append(document.problem(path, sentence))
        return
    if document.kind in reading.documents:
        first = reading.documents[document.kind].positions[()][0]
        reading.problems.append(document.problem(("kind",), f"a second {document.kind}; the first is in line {first}"))
        return
    if document.api_version == OLD_API_VERSION:
        reading.note(
            f"{reading.source.name}: {document.kind} is in the old {OLD_API_VERSION}; `pykubeadm config migrate` rewrites it"
        )
        document, timeout = migrated(document, reading.problems)
        reading.control_plane_timeout = reading.control_plane_timeout or timeout
    reading.documents[document.kind] = document


def _unknown_api(document: Document, known: Kinds) -> tuple[Path, str]:
    group, _, version = document.api_version.rpartition("/")
    if group == "kubeadm.k8s.io" and version in _GONE:
        return ("apiVersion",), (
            f"{document.api_version} is not read since kubeadm {_GONE[version]}; migrate the file with an older kubeadm"
        )
    for api, kinds in known.items():
        if document.kind in kinds:
            return ("apiVersion",), f'"{document.api_version}" is not known for {document.kind}; write {api}'
    names = sorted({kind for kinds in known.values() for kind in kinds})
    return ("kind",), f'"{document.kind}" is not known; a configuration holds {", ".join(names)}'


def _want(reading: _Reading, *kinds: str) -> None:
    """A problem where none of the kinds that the command needs is there; notes on those it does not read."""
    if not reading.problems and not reading.documents.keys() & set(kinds):
        there = ", ".join(reading.documents)
        reading.problems.append(Problem(reading.source.name, 1, 1, "", f"the file holds no {' or '.join(kinds)}, only {there}"))
    components = (KUBELET_API[1], KUBE_PROXY_API[1]) if "ClusterConfiguration" in kinds else ()
    for kind in reading.documents:
        if kind not in (*kinds, *components):
            reading.note(f"{reading.source.name}: {kind} is not read here")


def _init_from(
    reading: _Reading, environment: Environment, flags: InitFlags | None = None
) -> tuple[InitConfiguration, Configuration]:
    init, at_init = reading.decoded(InitConfiguration)
    cluster, at_cluster = reading.decoded(ClusterConfiguration)
    if reading.control_plane_timeout:
        timeouts = replace(init.timeouts, control_plane_component_health_check=parse_duration(reading.control_plane_timeout))
        init = replace(init, timeouts=timeouts)
    if flags:
        init = _with_flags(init, flags, at_init)
    for index, token in enumerate(init.bootstrap_tokens):
        path: Path = ("bootstrapTokens", index, "token")
        if not token.token and at_init.wrote(path):
            at_init.problem(path, "is empty; leave the field out to have a token made")
    newer = _minor(cluster.kubernetes_version) > DEFAULT_MINOR
    components = {kind: _component(reading, kind, newer=newer) for kind in (KUBELET_API[1], KUBE_PROXY_API[1])}
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
    _check_run(init.node_registration.ignore_preflight_errors, init.skip_phases, at_init, environment, where=_NODES_CHECKS)
    check_cluster(cluster, init.local_api_endpoint.advertise_address, at_cluster)
    _check_env_sources(cluster, at_cluster)
    return init, replace(configuration, cluster=cluster, this_node=init.this_node)


def _with_flags(configuration: N, flags: InitFlags | JoinFlags, report: Report) -> N:
    """With the flags that stand beside a file, which win over it; names of checks are of either source, in lower case."""
    node: NodeRegistration = configuration.node_registration
    beside: dict[Path, str] = {}
    if flags.node_name:
        beside["nodeRegistration", "name"] = "--node-name"
    if flags.ignore_preflight_errors:
        beside["nodeRegistration", "ignorePreflightErrors"] = "--ignore-preflight-errors"
    if flags.skip_phases:
        beside["skipPhases",] = "--skip-phases"
    report.flags = {**report.flags, **beside}
    ignored = {name.lower() for name in (*node.ignore_preflight_errors, *(flags.ignore_preflight_errors or ()))}
    return replace(
        configuration,
        node_registration=replace(node, name=flags.node_name or node.name, ignore_preflight_errors=tuple(sorted(ignored))),
        dry_run=configuration.dry_run or flags.dry_run,
        skip_phases=flags.skip_phases or configuration.skip_phases,
    )


def _check_run(
    ignored: Sequence[str],
    skip_phases: Sequence[str],
    report: Report,
    environment: Environment,
    *,
    where: Path,
    skipped_at: Path = ("skipPhases",),
) -> None:
    """What only a run goes by, as kubeadm has it: a command that reads the file for something else accepts it. Asks for the
    names of the phases only where one is to be skipped. `where` is the place of the checks that are `ignored`."""
    names = {name.lower() for name in ignored}
    if "all" in names and len(names) > 1:
        why = "all stands for every check; give no other names beside it"
        if environment.phases is None:
            environment.note(f"{'.'.join(map(str, where))}: a run will refuse this: {why}")
        else:
            report.problem(where, why)
    known = environment.phases() if skip_phases and environment.phases else ()
    for index, name in enumerate(skip_phases):
        if known and name not in known:
            near = difflib.get_close_matches(name, known, 1, 0.75)
            hint = f'did you mean "{near[0]}"?' if near else f"the phases are {', '.join(known)}"
            report.problem((*skipped_at, index), f'there is no phase "{name}"; {hint}')


def _without_skipped_addons(configuration: Configuration, skip_phases: Sequence[str]) -> Configuration:
    """An addon whose phase is skipped is disabled in the cluster, too, so that upgrades leave it alone (kubeadm: cmd/init.go)."""
    skipped, cluster = set(skip_phases), configuration.cluster
    if skipped & {"addon", "addon/coredns"}:
        cluster = replace(cluster, dns=replace(cluster.dns, disabled=True))
    if skipped & {"addon", "addon/kube-proxy"}:
        cluster = replace(cluster, proxy=replace(cluster.proxy, disabled=True))
    return replace(configuration, cluster=cluster)


def _join_from(reading: _Reading, environment: Environment) -> JoinConfiguration:
    join, report = reading.decoded(JoinConfiguration)
    return _join(join, report, environment)


def _join(join: JoinConfiguration, report: Report, environment: Environment) -> JoinConfiguration:
    """Defaults and checks."""
    join = complete_join(join, environment.host, report)
    check_join(join, report, is_dir=environment.is_dir, is_file=environment.is_file)
    _check_run(join.node_registration.ignore_preflight_errors, join.skip_phases, report, environment, where=_NODES_CHECKS)
    return join


def _reset_from(reading: _Reading, environment: Environment) -> ResetConfiguration:
    reset, report = reading.decoded(ResetConfiguration)
    return _reset(reset, report, environment)


def _reset(reset: ResetConfiguration, report: Report, environment: Environment) -> ResetConfiguration:
    """Defaults and checks."""
    reset = complete_reset(reset, environment.host, report)
    check_reset(reset, report)
    _check_run(reset.ignore_preflight_errors, reset.skip_phases, report, environment, where=("ignorePreflightErrors",))
    return reset


def _with_reset_flags(reset: ResetConfiguration, flags: ResetFlags, report: Report) -> ResetConfiguration:
    """With the flags that stand beside a file, which win over it; names of checks are of either source, in lower case."""
    if flags.skip_phases:
        report.flags = {**report.flags, ("skipPhases",): "--skip-phases"}
    if flags.ignore_preflight_errors:
        report.flags = {**report.flags, ("ignorePreflightErrors",): "--ignore-preflight-errors"}
    ignored = {name.lower() for name in (*reset.ignore_preflight_errors, *(flags.ignore_preflight_errors or ()))}
    return replace(
        reset,
        ignore_preflight_errors=tuple(sorted(ignored)),
        dry_run=reset.dry_run or flags.dry_run,
        skip_phases=flags.skip_phases or reset.skip_phases,
    )


def _upgrade_from(reading: _Reading, environment: Environment) -> UpgradeConfiguration:
    upgrade, report = reading.decoded(UpgradeConfiguration)
    upgrade = filled(upgrade)
    check_upgrade(upgrade, report, is_dir=environment.is_dir)
    return upgrade


def _upgrade(
    given: UpgradeConfiguration, part: Part, flags: UpgradeFlags, report: Report, environment: Environment
) -> UpgradeConfiguration:
    """Flags, defaults and checks."""
    report.flags = {**report.flags, **flags.places(part)}
    upgrade = flags.over(filled(given), part)
    check_upgrade(upgrade, report, is_dir=environment.is_dir)
    section = getattr(upgrade, part)
    if part in ("apply", "node"):
        skipped_at: Path = (part, "skipPhases")
        at: Path = (part, "ignorePreflightErrors")
        _check_run(section.ignore_preflight_errors, section.skip_phases, report, environment, where=at, skipped_at=skipped_at)
    if part == "node" or not section.kubernetes_version:
        return upgrade
    version = _upgrade_version(section.kubernetes_version, (part, "kubernetesVersion"), report, environment)
    return replace(upgrade, **{part: replace(section, kubernetes_version=version)})


def _upgrade_version(text: str, path: Path, report: Report, environment: Environment) -> str:
    """As the release is called ("v1.36.2"). A label is looked up, and refused where that fails: another version than the one
    meant would not be seen before the upgrade is done."""
    if is_label(text):
        found = look_up_label(text, environment.ask)
        if found is None:
            report.problem(path, f"{text} cannot be looked up at https://dl.k8s.io; give the version itself, such as v1.36.2")
        return found or text
    try:
        return str(parse_version(text.removeprefix("release/")))
    except ValueError as error:
        report.problem(path, str(error))
        return text


def _component(reading: _Reading, kind: str, *, newer: bool) -> Mapping[str, Any]:
    """The user's document without nulls; {} where there is none."""
    document = reading.documents.get(kind)
    if document is None:
        return {}
    check_component(document, Report(reading.problems, reading.note, document, reading.source.name), newer=newer)
    plain: dict[str, Any] = without_nulls(document.data)
    return plain


def _check_env_sources(cluster: ClusterConfiguration, report: Report) -> None:
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


def _minor(text: str) -> int:
    try:
        return parse_version(text).minor
    except ValueError:
        return DEFAULT_MINOR
