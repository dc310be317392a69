"""`cluster certs rotate-ca`: the nodes' own command wherever it says that it is to run next, stage by stage, until it waits for
the user or is through."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pykubeadm.config.fleet import CONTROL_PLANE, Host
from pykubeadm.errors import NodeError, PhaseError, PykubeadmError, UsageError
from pykubeadm.fleet.command import only_look
from pykubeadm.fleet.ending import finish
from pykubeadm.fleet.machines import Connect, Machines, over_ssh
from pykubeadm.fleet.one_by_one import OneByOne
from pykubeadm.fleet.progress import HostEvents, keeping_results, number_of_hosts
from pykubeadm.workflow.events import Result, RunFinished, RunStarted, Subscriber

if TYPE_CHECKING:
    from pykubeadm.fleet.facts import Facts
    from pykubeadm.fleet.file import Described
    from pykubeadm.fleet.log import RunLog
    from pykubeadm.fleet.options import Options
    from pykubeadm.node.port import Node

_HERE, _ON_NODE = "pykubeadm cluster certs rotate-ca", "pykubeadm certs rotate-ca"


def run_rotate(
    described: Described,
    names: Sequence[str],
    given: Mapping[str, Any],
    options: Options,
    emit: Subscriber,
    *,
    connect: Connect | None = None,
    log: RunLog | None = None,
) -> None:
    """Begin a rotation of `names`, or without them continue the one that is under way. `given`: abort, finish,
    restart_workloads. Raises an error with the first cause on top; UsageError where the options exclude each other."""
    if options.limit:
        raise UsageError("--limit: CAs are rotated on all nodes")
    if given.get("abort") and (given.get("finish") or names):
        raise UsageError("--abort goes back: it takes neither names nor --finish")
    hosts = described.cluster.present
    emit(RunStarted(command="cluster certs rotate-ca", node=number_of_hosts(len(hosts)), phases=("look", "rotate")))
    try:
        with Machines(connect or over_ssh(described), forks=options.forks, log=log) as machines:
            facts = only_look(described, machines, options, emit).facts
            run = OneByOne(machines, options, emit, "rotate")
            said = _rotate(run, _members(hosts, facts), names, given)
    except PykubeadmError as error:
        emit(RunFinished(outcome="failed", changed=0, exit_status=error.exit_status))
        raise
    if said is not None and not (run.failed or run.problems):
        emit(said)
    finish(run.outcomes, run.problems, emit, bug=machines.bug)


def _members(hosts: Sequence[Host], facts: Facts) -> dict[str, Host]:
    """The cluster's nodes, control planes first. NodeError, before anything is begun, where one of them could not be brought to a
    stage."""
    found = {host.name: host for host in hosts if facts.nodes[host.name].joined}
    nodes = facts.cluster.nodes if facts.cluster else {}
    present = [host.name for host in hosts if host.is_node]
    errors = [facts.nodes[name].error for name in present if facts.nodes[name].error]
    for name in sorted(set(nodes) - set(present)):
        leaving = "still a node of the cluster, and marked absent: `pykubeadm cluster apply` takes it out"
        errors.append(f"{name} is {leaving if name in facts.nodes else 'a node of the cluster and no host of the file'}")
    if errors:
        raise NodeError("\n".join([*errors, "nothing was rotated: every node has to reach each stage"]))
    if not any(CONTROL_PLANE in host.parts for host in found.values()):
        raise PhaseError("no host of the file is a control plane yet")
    return dict(sorted(found.items(), key=lambda item: CONTROL_PLANE not in item[1].parts))


def _rotate(run: OneByOne, members: Mapping[str, Host], names: Sequence[str], given: Mapping[str, Any]) -> Result | None:
    """Until no node is to follow; what the first control plane said then."""
    first = next(iter(members.values()))
    said: Result | None = None
    while True:
        before, said = said, _on(run, first, names, given)
        names = ()
        followers = [name for name in (said.data.get("nodes") or "").split(",") if name] if said else []
        if said is None or run.failed or run.problems or not followers:
            return said
        if before is not None and before.data == said.data:
            raise PhaseError(f"{', '.join(followers)} did not reach the stage {said.data.get('stage')}, and did not say why")
        for name in followers:
            if name not in members:
                raise NodeError(f"{name} is a node of the cluster and no host of the file: run `{_ON_NODE}` there")
            latest = _on(run, members[name], (), _of_follower(run, first, members[name], given))
            if latest and latest.data.get("stage") and not latest.data.get("nodes"):
                return latest  # the last to come to a stage moves the cluster on, to the end or to where the user is asked


def _of_follower(run: OneByOne, first: Host, host: Host, given: Mapping[str, Any]) -> dict[str, Any]:
    """Of other control planes: what the CAs' keys are encrypted with on their way there. The first one keeps it; nobody is shown
    it."""
    from pykubeadm.commands.certs.rotation.material import kept_key

    if CONTROL_PLANE not in host.parts:
        return {}
    kept = {name: given.get(name) for name in ("finish", "restart_workloads")}
    return {**kept, "certificate_key": kept_key(run.machines.node(first))}


def _on(run: OneByOne, host: Host, names: Sequence[str], given: Mapping[str, Any]) -> Result | None:
    """The command on one host; the last that it said of the rotation."""
    from pykubeadm.commands.certs.rotation.command import rotate_ca
    from pykubeadm.commands.certs.rotation.run import Advice

    results: list[Result] = []
    advice = Advice(_HERE, where="")  # it finds a control plane by itself

    def call(_host: Host, node: Node, events: HostEvents) -> None:
        rotate_ca(names, given, keeping_results(events, results), machine=node, advice=advice)

    run.on_each([host], call)
    return next((result for result in reversed(results) if result.name == "rotation"), None)
