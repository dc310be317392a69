"""`cluster upgrade`: control planes one after the other, then workers, a few at a time, each with its kubelet.

Each host runs `upgrade apply` or `upgrade node`, which finish what an earlier run began on it. Whose turn it is, is found by
looking, so whatever ended a run, the next one continues.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import field, replace
from typing import TYPE_CHECKING, Any, Literal

from pykubeadm.config.fleet import CONTROL_PLANE, ETCD, Host
from pykubeadm.config.model import Etcd
from pykubeadm.config.versions import etcd_tag, etcd_version
from pykubeadm.errors import NodeError, PhaseError, PykubeadmError, UsageError
from pykubeadm.fleet.apply import Outcome
from pykubeadm.fleet.command import only_look
from pykubeadm.fleet.ending import finish
from pykubeadm.fleet.facts import ClusterFacts, Facts
from pykubeadm.fleet.machines import Connect, Machines, over_ssh
from pykubeadm.fleet.preparing import inventory_of
from pykubeadm.fleet.progress import number_of_hosts, of_host
from pykubeadm.fleet.variables import shared_variables
from pykubeadm.util.dataclass import dataclass
from pykubeadm.workflow.events import Note, Planned, RunFinished, RunStarted, Subscriber
from pykubeadm.workflow.phase import Step, without

if TYPE_CHECKING:
    from pykubeadm.ansible.results import PlaybookEvent
    from pykubeadm.commands.upgrade.run import UpgradeRun
    from pykubeadm.fleet.file import Described
    from pykubeadm.fleet.found import Found
    from pykubeadm.fleet.log import RunLog
    from pykubeadm.fleet.options import Options
    from pykubeadm.workflow.phase import Changes

PHASES = ("look", "control planes", "workers")
_REPLACE = "kubelet/replace"
Part = Literal["apply", "node"]


@dataclass(frozen=True, slots=True)
class Turn:
    """What one host is to run, `upgrade PART`, and why. One that is a control plane is taken as one, whatever the file says."""

    host: Host
    part: Part
    reason: str
    is_control_plane: bool


def turns(hosts: Sequence[Host], facts: Facts, cluster: ClusterFacts, target: str) -> list[Turn]:
    """Whose turn it is, in order: control planes, of which the first brings the cluster to `target` if it is not there, then
    workers. Pure."""
    reasons = {host.name: _reason(host, facts, cluster, target) for host in hosts if host.state != "absent"}
    waiting = [host for host in hosts if reasons.get(host.name)]
    leading = {host.name for host in waiting if CONTROL_PLANE in host.parts or facts.nodes[host.name].control_plane}
    # What an earlier run began as the first one is finished first.
    waiting.sort(key=lambda host: (host.name not in leading, facts.nodes[host.name].upgrading != "apply"))
    found: list[Turn] = []
    for host in waiting:
        first = host.name in leading and not found
        begins = first and (cluster.version != target or facts.nodes[host.name].upgrading == "apply")
        found.append(Turn(host, "apply" if begins else "node", reasons[host.name], host.name in leading))
    return found


def _reason(host: Host, facts: Facts, cluster: ClusterFacts, target: str) -> str:
    """Why there is something to do on a host, "" where there is nothing: it is no part of the cluster, or up to date."""
    machine, node = facts.nodes[host.name], cluster.nodes.get(host.name)
    if node is None:
        return ""
    if machine.upgrading:
        return f"`upgrade {machine.upgrading}` was cut off there, or failed"
    if machine.api_server and machine.api_server != target:
        return f"its API server is {machine.api_server}"
    if CONTROL_PLANE in host.parts and cluster.version != target:
        return f"the cluster is {cluster.version}"
    if node.version != target:
        return f"its kubelet is {node.version}"
    return "it was drained for an upgrade, and still is" if node.drained else ""


def left_behind(described: Described, facts: Facts) -> Iterator[tuple[str, str]]:
    """Hosts of etcd that an upgrade leaves at other versions than those that go with its target, and a sentence for each."""
    cluster = described.configuration.cluster
    wanted = _release(etcd_tag(replace(cluster, etcd=Etcd(local=described.fleet.members))))
    for node in facts.of([host.name for host in described.cluster.having(ETCD)]):
        stays = [f"etcd {node.etcd_version}"] if wanted and _release(node.etcd_version) not in ((), wanted) else []
        stays += [f"kubelet {node.kubelet}"] if node.kubelet not in ("", cluster.kubernetes_version) else []
        if stays:
            yield node.name, f"it stays with {' and '.join(stays)}: an upgrade leaves hosts with the part etcd alone"


def _release(tag: str) -> tuple[int, ...]:
    """Of etcd: its version without the number of the image; () for a tag that does not say it."""
    return (etcd_version(tag) or ())[:3]


def run_upgrade(
    described: Described,
    options: Options,
    max_unavailable: int,
    emit: Subscriber,
    *,
    delete_emptydir_data: bool = False,
    connect: Connect | None = None,
    log: RunLog | None = None,
) -> None:
    """To the version that the file names. After a failure no further host is begun. Raises an error with the first cause on top
    and a sentence for each host that failed."""
    if not described.fleet.names_version:
        raise UsageError("the file does not say which version to upgrade to: set kubernetesVersion in its ClusterConfiguration")
    hosts = described.limited(options.limit)
    emit(RunStarted(command="cluster upgrade", node=number_of_hosts(len(hosts)), phases=PHASES))
    try:
        with Machines(connect or over_ssh(described), forks=options.forks, log=log) as machines:
            run = _Upgrading(described, machines, options, emit, delete_emptydir_data=delete_emptydir_data)
            problems = _work(run, max_unavailable)
    except PykubeadmError as error:
        emit(RunFinished(outcome="failed", changed=0, exit_status=error.exit_status))
        raise
    finish(run.outcomes, problems, emit, bug=machines.bug)


@dataclass(slots=True)
class _Upgrading:
    described: Described
    machines: Machines
    options: Options
    emit: Subscriber
    delete_emptydir_data: bool
    outcomes: dict[str, Outcome] = field(default_factory=dict)

    @property
    def target(self) -> str:
        return self.described.configuration.cluster.kubernetes_version

    @property
    def failed(self) -> bool:
        return any(outcome.error for outcome in self.outcomes.values())


def _work(run: _Upgrading, max_unavailable: int) -> list[tuple[str, str]]:
    """Everything; returns what is in the way of other hosts, from the start."""
    found = _look(run)
    if found.facts.cluster is None:
        _finish_begun(run, found)
        found = found if run.failed else _look(run)
    if run.failed:
        return []
    cluster = found.facts.cluster
    if cluster is None:
        raise PhaseError("\n".join([*(text for _host, text in found.plan.problems), found.facts.nobody]))
    for name, sentence in left_behind(run.described, found.facts):
        run.emit(Note(level="warning", topic=name, message=sentence))
    waiting = turns(found.hosts, found.facts, cluster, run.target)
    _require_begun(run, waiting, cluster)
    _require_reachable(waiting, found)
    if waiting:
        text = "\n".join(f"{turn.host.name}: upgrade {turn.part} to {run.target} ({turn.reason})" for turn in waiting)
        run.emit(Planned(phase="plan", text=text))
    for turn in waiting:
        if turn.is_control_plane:
            _take(run, turn)
    workers = {turn.host.name: turn for turn in waiting if not turn.is_control_plane}
    reached = [turn.host for turn in workers.values() if found.facts.nodes[turn.host.name].reachable]
    run.machines.on_each(lambda host: _take(run, workers[host.name]), reached, at_a_time=max_unavailable)
    return [(host, problem) for host, problem in found.plan.problems if host in workers]


def _look(run: _Upgrading) -> Found:
    return only_look(run.described, run.machines, run.options, run.emit)


def _finish_begun(run: _Upgrading, found: Found) -> None:
    """Where no API server answers, one that an earlier run was replacing may be why."""
    for host in found.hosts:
        facts = found.facts.nodes[host.name]
        if facts.control_plane and facts.upgrading:
            reason = "no API server answers, and its upgrade was cut off"
            _take(run, Turn(host, "apply" if facts.upgrading == "apply" else "node", reason, is_control_plane=True))


def _require_begun(run: _Upgrading, waiting: Sequence[Turn], cluster: ClusterFacts) -> None:
    if waiting and cluster.version != run.target and not waiting[0].is_control_plane:
        raise PhaseError(
            f"the cluster is {cluster.version}, and a control plane has to bring it to {run.target} before workers follow: "
            "--limit names none"
        )


def _require_reachable(waiting: Sequence[Turn], found: Found) -> None:
    """Before anything is begun: a control plane that cannot be upgraded would end the run half way."""
    errors = [found.facts.nodes[turn.host.name].error for turn in waiting if turn.is_control_plane]
    if missing := list(filter(None, errors)):
        raise NodeError("\n".join([*missing, "nothing was upgraded: control planes go first, and all of them"]))


def _take(run: _Upgrading, turn: Turn) -> None:
    """A host's turn, unless something has failed or the time is over."""
    if run.failed:
        return
    name = turn.host.name
    if run.options.left == 0:
        run.outcomes[name] = Outcome(name, 0.0, NodeError(f"{name} was not begun when --timeout ended the run"))
        return
    began, events = time.monotonic(), of_host(name, "upgrade", run.emit)
    error = run.machines.attempt(name, lambda: _upgrade(run, turn, events))
    run.outcomes[name] = Outcome(name, time.monotonic() - began, error, events.changes)


def _upgrade(run: _Upgrading, turn: Turn, events: Subscriber) -> None:
    from pykubeadm.commands.upgrade.command import upgrade
    from pykubeadm.commands.upgrade.phases import APPLY, NODE

    phases = APPLY if turn.part == "apply" else NODE

    def choose(skipped: Sequence[str]) -> tuple[Step[Any], ...]:
        return tuple(_from_here(run, turn.host, step) if step.path == _REPLACE else step for step in without(phases, skipped))

    options: dict[str, Any] = {
        "kubelet": True,
        "delete_emptydir_data": run.delete_emptydir_data,
        "ignore_preflight_errors": run.described.cluster.ignored_checks(turn.host),
    }
    if turn.part == "apply":
        options |= {"kubernetes_version": run.target, "yes": True}
    upgrade(turn.part, options, events, choose=choose, name=f"upgrade {turn.part}", machine=run.machines.node(turn.host))


def _from_here(run: _Upgrading, host: Host, step: Step[Any]) -> Step[Any]:
    """The step that installs the node's own programs, with the roles run from the desk."""
    from pykubeadm.ansible.assets import Assets
    from pykubeadm.commands.upgrade.kubelet import replace_programs
    from pykubeadm.node.local import LocalNode

    # Downloads go as the file says, not as the environment of a user on the node would have it.
    shared = shared_variables(run.described, Assets())
    ways = {name: value for name, value in shared.items() if name.endswith("_environment")}

    def play(
        _run: UpgradeRun, variables: Mapping[str, Any], tags: Sequence[str], report: Callable[[PlaybookEvent], None]
    ) -> None:
        from pykubeadm.ansible.playbook import run_playbook
        from pykubeadm.ansible.workspace import workspace

        with workspace(dict(variables) | ways, **inventory_of(run.described, [host])) as space:
            run_playbook(space, "prepare", run.machines.noting(report), limit=host.name, tags=tags)

    def apply(upgrade_run: UpgradeRun) -> Changes:
        return replace_programs(upgrade_run, play, LocalNode())

    return Step(step.path, replace(step.phase, apply=apply))
