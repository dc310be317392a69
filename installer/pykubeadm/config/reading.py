"""What reading a configuration has in common for all commands: the environment, a file's documents with what is wrong in them,
and what every run goes by.

What must be known of the environment comes in as arguments; nothing here touches a machine.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import field, replace
from typing import TYPE_CHECKING, Any, TypeVar

from pykubeadm.config.components import KUBE_PROXY_API, KUBELET_API, check_component
from pykubeadm.config.decode import decode, without_nulls
from pykubeadm.config.host import HostFacts
from pykubeadm.config.load import NOTHING, load
from pykubeadm.config.migrate import OLD_API_VERSION, migrated
from pykubeadm.config.model import API_VERSION, InitConfiguration, JoinConfiguration, Model, NodeRegistration
from pykubeadm.config.release import LookUp, offline
from pykubeadm.config.report import Notes, Report
from pykubeadm.config.source import Document, Path, Source
from pykubeadm.errors import ConfigError, Problem
from pykubeadm.util.dataclass import dataclass

if TYPE_CHECKING:
    from pykubeadm.config.init_flags import InitFlags
    from pykubeadm.config.join_flags import JoinFlags

M = TypeVar("M", bound=Model)
N = TypeVar("N", InitConfiguration, JoinConfiguration)

NODES_CHECKS: Path = ("nodeRegistration", "ignorePreflightErrors")
_OLD_KINDS = ("InitConfiguration", "ClusterConfiguration", "JoinConfiguration")
Kinds = Mapping[str, tuple[str, ...]]  # API version → the documents that are read
KINDS: Kinds = {
    API_VERSION: (*_OLD_KINDS, "ResetConfiguration", "UpgradeConfiguration"),
    OLD_API_VERSION: _OLD_KINDS,
    KUBELET_API[0]: (KUBELET_API[1],),
    KUBE_PROXY_API[0]: (KUBE_PROXY_API[1],),
}
# Since which kubeadm each older API is no longer read.
_GONE = {"v1alpha1": "1.12", "v1alpha2": "1.13", "v1alpha3": "1.15", "v1beta1": "1.22", "v1beta2": "1.27"}


# Which command prints a document of a kind to start from.
_STARTS = {
    f"{name.capitalize()}Configuration": f"pykubeadm config print {name}-defaults"
    for name in ("init", "join", "reset", "upgrade")
} | {"ClusterConfiguration": "pykubeadm config show"}


def _yes(_path: str) -> bool:
    return True


def _nothing(_path: str) -> str:
    return ""


def _no_options(_variable: str) -> Mapping[str, Mapping[str, Any]]:
    return {}


def _silent(_note: str) -> None:
    return


@dataclass(frozen=True, slots=True, kw_only=True)
class Environment:
    """What reading a configuration needs of the environment.

    `new_token` makes a bootstrap token; `ask` gives the version behind a label, None where it cannot; `phases` names those that
    can be skipped, and is None where none will run: what only a run goes by is not checked then; `is_dir` and `is_file` look at
    the node; `manifest` says what is wrong with the file of a network at a path, "" for nothing; `role_options` gives the
    options of the role that a variable is named as, {} for none; `note` takes each remark (a deprecation, a value that was
    guessed).
    """

    host: HostFacts
    new_token: Callable[[], str]
    ask: LookUp = offline
    phases: Callable[[], Sequence[str]] | None = None
    is_dir: Callable[[str], bool] = _yes
    is_file: Callable[[str], bool] = _yes
    manifest: Callable[[str], str] = _nothing
    role_options: Callable[[str], Mapping[str, Mapping[str, Any]]] = _no_options
    note: Notes = _silent


@dataclass(slots=True)
class Reading:
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


def open_source(
    source: Source, note: Notes, known: Kinds = KINDS, *, others: bool = False, start: str = _STARTS["InitConfiguration"]
) -> Reading:
    """`others` says whether documents of other programs may be in the file, which are noted and left out; `start` is the
    command that prints a file to start from."""
    documents, problems = load(source)
    problems = [
        each._replace(sentence=f"{NOTHING}; `{start}` prints one to start from") if each.sentence == NOTHING else each
        for each in problems
    ]
    reading = Reading(source, note, problems)
    for document in documents:
        if others and _is_of_others(document, known):
            note(f"{source.name}: {document.kind} of {document.api_version} is not read here")
        else:
            _admit(document, reading, known)
    kinds = reading.documents
    if "InitConfiguration" in kinds and "JoinConfiguration" in kinds:
        sentence = "a node either starts a cluster or joins one: InitConfiguration and JoinConfiguration do not go into one file"
        reading.problems.append(kinds["JoinConfiguration"].problem(("kind",), sentence))
    return reading


def _is_of_others(document: Document, known: Kinds) -> bool:
    """Whether neither its API group nor its kind is one that could be meant. (One without a group kubeadm refuses, too.)"""
    group = document.api_version.rpartition("/")[0]
    ours = {api.rpartition("/")[0] for api in known}
    return bool(group) and group not in ours and all(document.kind not in kinds for kinds in known.values())


def _admit(document: Document, reading: Reading, known: Kinds) -> None:
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


def open_for(source: Source, note: Notes, mixed: Sequence[str], *kinds: str) -> Reading:
    """A file for a command that needs one of `kinds`; `mixed` are its flags that cannot stand beside a file."""
    reading = open_source(source, note, others=True, start=_STARTS[kinds[0]])
    reading.problems += [Problem(name, 0, 0, "", "cannot be given together with --config") for name in mixed]
    _want(reading, *kinds)
    return reading


def _want(reading: Reading, *kinds: str) -> None:
    """A problem where none of the kinds that the command needs is there; notes on those it does not read."""
    if not reading.problems and not reading.documents.keys() & set(kinds):
        there = f", only {', '.join(reading.documents)}" if reading.documents else ""
        reading.problems.append(Problem(reading.source.name, 1, 1, "", f"the file holds no {' or '.join(kinds)}{there}"))
    components = (KUBELET_API[1], KUBE_PROXY_API[1]) if "ClusterConfiguration" in kinds else ()
    for kind in reading.documents:
        if kind not in (*kinds, *components):
            reading.note(f"{reading.source.name}: {kind} is not read here")


def component(reading: Reading, kind: str, *, newer: bool) -> Mapping[str, Any]:
    """The user's document without nulls; {} where there is none."""
    document = reading.documents.get(kind)
    if document is None:
        return {}
    check_component(document, Report(reading.problems, reading.note, document, reading.source.name), newer=newer)
    plain: dict[str, Any] = without_nulls(document.data)
    return plain


def with_node_flags(configuration: N, flags: InitFlags | JoinFlags, report: Report) -> N:
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


def check_run(
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
