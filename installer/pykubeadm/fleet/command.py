"""`cluster plan` and `cluster apply`, from what is described to the end of the run."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from pykubeadm.errors import PykubeadmError
from pykubeadm.fleet.apply import Outcome, apply
from pykubeadm.fleet.ending import finish
from pykubeadm.fleet.facts import Facts
from pykubeadm.fleet.file import Described, of_version
from pykubeadm.fleet.found import Found
from pykubeadm.fleet.log import RunLog
from pykubeadm.fleet.look import look
from pykubeadm.fleet.machines import Connect, Machines, over_ssh
from pykubeadm.fleet.network import network_variables
from pykubeadm.fleet.options import Options
from pykubeadm.fleet.plan import Plan, lines
from pykubeadm.fleet.planning import begun, make_plan
from pykubeadm.fleet.preparing import digests_of
from pykubeadm.fleet.progress import number_of_hosts
from pykubeadm.fleet.ready import wait_ready
from pykubeadm.workflow.events import Event, NodeProgress, Note, Planned, RunFinished, RunStarted, Subscriber

PHASES = ("look", "prepare", "init", "join", "network", "ready")
CHANGES_WANTED = 11  # the exit status of `cluster plan` where there is something to do, for `apply` or another command


def plan_fleet(described: Described, machines: Machines, options: Options, emit: Subscriber) -> Found:
    """Look at all machines side by side and plan; nothing is changed."""
    hosts = described.limited(options.limit)

    def report(name: str, error: str) -> None:
        outcome = "failed" if error else "unchanged"
        emit(NodeProgress(node=name, step="look", outcome=outcome, message=error or "was checked"))

    facts = look(described, machines, hosts, report)
    nodes = facts.cluster.nodes if facts.cluster else {}
    wanted = described.fleet
    described = of_version(described, _version(described, facts))
    digests = digests_of(described, network_variables(described, nodes))
    plan = make_plan(wanted, facts, digests, hosts)
    for host, sentence in (*plan.notes, *plan.remarks, *((each.host, each.sentence) for each in plan.drift)):
        emit(Note(level="warning", topic=host, message=sentence))
    return Found(described, hosts, facts, plan, digests, machines.bug)


def _version(described: Described, facts: Facts) -> str:
    """That of the cluster that there is: to another it comes by an upgrade alone. "" where none is yet, or nobody says it."""
    if facts.cluster:
        return facts.cluster.version
    first = begun(described.cluster, facts)
    return facts.nodes[first.name].api_server if first and not facts.nodes[first.name].unfinished else ""


def only_look(described: Described, machines: Machines, options: Options, emit: Subscriber) -> Found:
    """The same for commands that do something else than `apply`: what is not as the file says is not theirs to say."""

    def looked(event: Event) -> None:
        if isinstance(event, NodeProgress):
            emit(event)

    return plan_fleet(described, machines, options, looked)


def run_plan(described: Described, options: Options, emit: Subscriber, *, connect: Connect | None = None) -> Found:
    """`cluster plan`."""
    with Machines(connect or over_ssh(described), forks=options.forks) as machines:
        return plan_fleet(described, machines, options, emit)


def planned(plan: Plan) -> Iterator[Event]:
    """The plan for programs: an event for each action, and for each thing that stands in the way."""
    for action in plan.actions:
        yield NodeProgress(node=action.host, step=action.kind, outcome="planned", message=action.summary, changes=action.reasons)
    for host, problem in plan.problems:
        yield Note(level="warning", topic=host, message=problem)


def further(plan: Plan) -> str:
    """The commands that do what `apply` leaves alone, for a sentence; "" where there is nothing of that."""
    return ", then ".join(f"`{command}`" for command in plan.commands)


def run_apply(
    described: Described,
    options: Options,
    emit: Subscriber,
    *,
    connect: Connect | None = None,
    log: RunLog | None = None,
    command: str = "cluster apply",
) -> None:
    """`cluster apply`, or another `command` that is one for a changed fleet. Raises an error with the first cause on top and a
    sentence for each host that failed."""
    hosts = described.limited(options.limit)
    emit(RunStarted(command=command, node=number_of_hosts(len(hosts)), phases=PHASES))
    outcomes: dict[str, Outcome] = {}
    problems: list[tuple[str, str]] = []
    try:
        with Machines(connect or over_ssh(described), forks=options.forks, log=log, left=lambda: options.left) as machines:
            found = plan_fleet(described, machines, options, emit)
            problems += found.plan.problems
            for host, problem in problems:
                emit(Note(level="warning", topic=host, message=problem))
            if options.until:
                found = replace(found, plan=found.plan.until(options.until))
            if not found.plan.empty and options.left == 0:
                problems.append(("", "--timeout ended the run while machines were looked at: nothing was begun"))
            elif not found.plan.empty:
                emit(Planned(phase="plan", text="\n".join(lines(found.plan))))
                outcomes = apply(found, machines, options, emit)
                if commands := further(found.plan):
                    emit(Note(level="warning", topic="", message=f"not all is as the file says yet: run {commands}"))
                if not options.until and (unready := wait_ready(found, machines, outcomes, options, emit)):
                    problems.append(("", unready))
    except PykubeadmError as error:
        emit(RunFinished(outcome="failed", changed=0, exit_status=error.exit_status))
        raise
    finish(outcomes, problems, emit, bug=machines.bug)
