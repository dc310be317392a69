"""`cluster upgrade`: control planes one after the other, then workers, a few at a time, each with its kubelet."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

from pykubeadm.config.fleet import CONTROL_PLANE, WORKER, Host
from pykubeadm.errors import PhaseError, PykubeadmError, UsageError
from pykubeadm.fleet.apply import Outcome
from pykubeadm.fleet.command import plan_fleet
from pykubeadm.fleet.ending import finish
from pykubeadm.fleet.facts import ClusterFacts
from pykubeadm.fleet.machines import Connect, Machines, over_ssh
from pykubeadm.fleet.preparing import inventory_of
from pykubeadm.fleet.progress import of_host
from pykubeadm.workflow.events import NodeProgress, Note, RunStarted, Subscriber
from pykubeadm.workflow.phase import Step, without

if TYPE_CHECKING:
    from pykubeadm.ansible.results import PlaybookEvent
    from pykubeadm.commands.upgrade.run import UpgradeRun
    from pykubeadm.fleet.file import Described
    from pykubeadm.fleet.log import RunLog
    from pykubeadm.fleet.options import Options
    from pykubeadm.workflow.phase import Changes

_REPLACE = "kubelet/replace"
Part = Literal["apply", "node"]


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
    """To the version that the file names. A control plane that fails ends the run; of workers no more are begun then. Whatever
    was upgraded before is left as it is, so that the next run goes on."""
    target = described.configuration.cluster.kubernetes_version
    if not described.fleet.names_version:
        raise UsageError("the file does not say which version to upgrade to: set kubernetesVersion in its ClusterConfiguration")
    emit(RunStarted(command="cluster upgrade", node=f"to {target}", phases=("control planes", "workers")))
    outcomes: dict[str, Outcome] = {}
    with Machines(connect or over_ssh(described), forks=options.forks, log=log) as machines:
        found = plan_fleet(described, machines, options, lambda _event: None)
        if found.facts.cluster is None:
            raise PhaseError("\n".join([*(text for _host, text in found.plan.problems), "no control plane's API server answers"]))
        cluster = found.facts.cluster
        waiting = [host for host in found.hosts if host.state != "absent" and _is_old(cluster, host.name, target)]
        upgrading = partial(
            _upgrade, described, machines, emit=emit, options={"yes": True, "delete_emptydir_data": delete_emptydir_data}
        )
        part: Part = "node" if cluster.version == target else "apply"
        for host in (host for host in waiting if CONTROL_PLANE in host.parts):
            outcomes[host.name] = upgrading(host, part)
            if outcomes[host.name].error:
                break
            part = "node"
        if part == "apply" and not outcomes:
            emit(
                Note(level="warning", topic="", message=f"no control plane of this run is left to bring the cluster to {target}")
            )
        elif not any(outcome.error for outcome in outcomes.values()):
            workers = [host for host in waiting if WORKER in host.parts and CONTROL_PLANE not in host.parts]
            _in_batches(workers, max_unavailable, machines, outcomes, upgrading)
    finish(outcomes, [problem for problem in found.plan.problems if problem[0]], emit)


def _is_old(cluster: ClusterFacts, name: str, target: str) -> bool:
    """Whether there is something to upgrade on a host: its kubelet, or the cluster as a whole."""
    node = cluster.nodes.get(name)
    return node is not None and (node.version != target or (cluster.version != target and node.control_plane))


def _in_batches(
    hosts: Sequence[Host],
    at_a_time: int,
    machines: Machines,
    outcomes: dict[str, Outcome],
    upgrading: Callable[[Host, Part], Outcome],
) -> None:
    for first in range(0, len(hosts), at_a_time):
        batch = machines.on_each(lambda host: upgrading(host, "node"), hosts[first : first + at_a_time])
        outcomes |= {name: outcome for name, outcome in batch.items() if isinstance(outcome, Outcome)}
        if any(outcome.error for outcome in outcomes.values()):
            return


def _upgrade(
    described: Described, machines: Machines, host: Host, part: Part, *, emit: Subscriber, options: Mapping[str, Any]
) -> Outcome:
    from pykubeadm.commands.upgrade.command import upgrade
    from pykubeadm.commands.upgrade.phases import APPLY, NODE

    began, events = time.monotonic(), of_host(host.name, f"upgrade {part}", emit)
    given = {**options, "kubelet": True}
    if part == "apply":
        given["kubernetes_version"] = described.configuration.cluster.kubernetes_version

    def choose(skipped: Sequence[str]) -> tuple[Step[Any], ...]:
        steps = without(APPLY if part == "apply" else NODE, skipped)
        return tuple(_over_ssh(step, described, host) if step.path == _REPLACE else step for step in steps)

    error: PykubeadmError | None = None
    try:
        upgrade(
            part,
            given,
            events,
            choose=choose,
            name=f"upgrade {part}",
            machine=machines.node(host),
            confirm=lambda: True,
        )
    except PykubeadmError as failure:
        error = failure
        emit(NodeProgress(node=host.name, step=f"upgrade {part}", outcome="failed", message=str(failure).splitlines()[0]))
    return Outcome(host.name, time.monotonic() - began, error, events.changes)


def _over_ssh(step: Step[Any], described: Described, host: Host) -> Step[Any]:
    """The step that installs the node's own programs, with the roles run from here."""
    from dataclasses import replace

    from pykubeadm.commands.upgrade.kubelet import replace_programs
    from pykubeadm.node.local import LocalNode

    def play(
        _run: UpgradeRun, variables: Mapping[str, Any], tags: Sequence[str], report: Callable[[PlaybookEvent], None]
    ) -> None:
        from pykubeadm.ansible.playbook import run_playbook
        from pykubeadm.ansible.workspace import workspace

        given = inventory_of(described, [host])
        with workspace(variables, given.get("inventories", ()), hosts=given.get("hosts")) as space:
            run_playbook(space, "prepare", report, limit=host.name, tags=tags)

    def apply(run: UpgradeRun) -> Changes:
        return replace_programs(run, play, LocalNode())

    return Step(step.path, replace(step.phase, apply=apply))
