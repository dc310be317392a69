"""`cluster reconfigure`: control planes one after the other, of which the first takes the file, then the other nodes. Each gets
the flags of its own kubelet."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from pykubeadm.config.fleet import CONTROL_PLANE, Host
from pykubeadm.errors import ConfigError, NodeError, PhaseError, PykubeadmError
from pykubeadm.fleet.command import only_look
from pykubeadm.fleet.documents import change_source
from pykubeadm.fleet.ending import finish
from pykubeadm.fleet.machines import Connect, Machines, over_ssh
from pykubeadm.fleet.one_by_one import OneByOne
from pykubeadm.fleet.progress import HostEvents, keeping_results, number_of_hosts
from pykubeadm.workflow.events import Planned, Result, RunFinished, RunStarted, Subscriber
from pykubeadm.workflow.phase import Step, without

if TYPE_CHECKING:
    from pykubeadm.config.source import Source
    from pykubeadm.fleet.facts import Facts
    from pykubeadm.fleet.file import Described
    from pykubeadm.fleet.log import RunLog
    from pykubeadm.fleet.options import Options
    from pykubeadm.node.port import Node

PHASES = ("look", "control planes", "workers")


def run_reconfigure(
    described: Described,
    options: Options,
    emit: Subscriber,
    *,
    dry_run: bool = False,
    connect: Connect | None = None,
    log: RunLog | None = None,
) -> None:
    """Bring the cluster to the kubeadm documents of the file; in a dry run show what would change. After a failure no further
    host is begun. Raises an error with the first cause on top and a sentence for each host that failed."""
    hosts = described.limited(options.limit)
    emit(RunStarted(command="cluster reconfigure", node=number_of_hosts(len(hosts)), phases=PHASES, dry_run=dry_run))
    try:
        with Machines(connect or over_ssh(described), forks=options.forks, log=log) as machines:
            found = only_look(described, machines, options, emit)
            members = in_order(hosts, found.facts)
            _require(described, found.facts, members, dry_run=dry_run)
            run = OneByOne(machines, options, emit, "reconfigure")
            stored = found.facts.cluster.stored if found.facts.cluster else {}
            source = change_source(described.fleet, stored)
            change = _Change(described, members, source, emit, dry_run=dry_run)
            run.on_each(members, change)
    except PykubeadmError as error:
        emit(RunFinished(outcome="failed", changed=0, exit_status=error.exit_status))
        raise
    finish(run.outcomes, run.problems, emit, bug=machines.bug)


def in_order(hosts: Sequence[Host], facts: Facts) -> list[Host]:
    """Those that are in the cluster, or cannot be asked: control planes first, and of these the one on which an earlier run was
    cut off, as it holds up the others. Pure."""
    found = [host for host in hosts if host.state != "absent" and host.is_node]
    found = [host for host in found if facts.nodes[host.name].joined or not facts.nodes[host.name].reachable]
    return sorted(found, key=lambda host: (CONTROL_PLANE not in host.parts, not facts.nodes[host.name].reconfiguring))


def _require(described: Described, facts: Facts, members: Sequence[Host], *, dry_run: bool) -> None:
    """What has to be before anything is changed: half of the control planes with another configuration would be worse than
    none."""
    nodes, cluster = facts.nodes, facts.cluster
    errors = [nodes[host.name].error for host in members if CONTROL_PLANE in host.parts and nodes[host.name].error]
    if errors and not dry_run:
        raise NodeError("\n".join([*errors, "nothing was changed: control planes go first, and all of them"]))
    if cluster is None and not any(nodes[host.name].reconfiguring for host in members):
        raise PhaseError("\n".join([*errors, facts.nobody]))
    wanted = described.fleet.configuration.cluster.kubernetes_version
    if cluster and described.fleet.names_version and cluster.version != wanted:
        raise PhaseError(
            f"the cluster is {cluster.version}, and the file says {wanted}: `pykubeadm cluster upgrade` first brings it there"
        )


class _Change:
    """`reconfigure` on one host: with the file on the first control plane, in a dry run on each, as what others would get is not
    in the cluster yet; workers are looked at where it is."""

    def __init__(
        self, described: Described, members: Sequence[Host], source: Source | None, emit: Subscriber, *, dry_run: bool
    ) -> None:
        control_planes = [host.name for host in members if CONTROL_PLANE in host.parts]
        self._described = described
        self._with_file = control_planes if dry_run else control_planes[:1]
        self._source = source
        self._emit = emit
        self._dry_run = dry_run
        self._shown: set[str] = set()

    def __call__(self, host: Host, node: Node, events: HostEvents) -> None:
        with_file = host.name in self._with_file
        if self._dry_run and self._shown and not with_file and not host.kubelet_extra_args:
            return
        from pykubeadm.commands.reconfigure.command import reconfigure
        from pykubeadm.commands.reconfigure.phases import PHASES as STEPS

        def choose(skipped: Sequence[str]) -> tuple[Step[Any], ...]:
            return without(STEPS, skipped)

        results: list[Result] = []
        options: dict[str, Any] = {
            "dry_run": self._dry_run,
            "ignore_preflight_errors": self._described.cluster.ignored_checks(host),
            "kubelet_extra_args": host.kubelet_extra_args,
        }
        try:
            reconfigure(
                options,
                keeping_results(events, results),
                choose=choose,
                name="reconfigure",
                machine=node,
                source=self._source if with_file else None,
            )
        except ConfigError as error:  # its lines are those of the documents that were made of the file
            raise ConfigError([problem._replace(line=0, column=0) for problem in error.problems]) from error
        if self._dry_run:
            self._show(host, results, events)

    def _show(self, host: Host, results: Sequence[Result], events: HostEvents) -> None:
        """What would change there; what is the same for several hosts once."""
        texts = [result.text for result in results if result.text not in self._shown]
        self._shown.update(texts)
        events.changes += len(texts)
        if texts:
            self._emit(Planned(phase="reconfigure", text="\n".join([f"{host.name}:", *texts])))
