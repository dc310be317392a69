"""Carries out a plan: machines are prepared all at once, the first control plane begins, the others follow side by side.

Each host goes its own way in a thread of its own and waits only for what it needs, so that a slow or dead one holds nobody up.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, InvalidStateError
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import field, replace
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

from pykubeadm.config.fleet import CONTROL_PLANE, ETCD, LOAD_BALANCER, WORKER
from pykubeadm.errors import ApiError, NodeError, PhaseError, PykubeadmError
from pykubeadm.fleet.admission import Open, admit, new_admission, opened, withdraw
from pykubeadm.fleet.cluster import api_of
from pykubeadm.fleet.documents import Admission, init_source, join_source
from pykubeadm.fleet.etcd_hosts import (
    against_authority,
    authority_of,
    client_of,
    established,
    keep,
    keeper,
    leave,
    make_authority,
    make_member,
)
from pykubeadm.fleet.file import Described
from pykubeadm.fleet.found import Found
from pykubeadm.fleet.leaving import forget, remove, reset_node, stop_balancing
from pykubeadm.fleet.look import look
from pykubeadm.fleet.machines import Machines
from pykubeadm.fleet.options import Options
from pykubeadm.fleet.plan import Action, Plan
from pykubeadm.fleet.planning import is_of_program
from pykubeadm.fleet.preparing import Preparation
from pykubeadm.fleet.progress import HostEvents, of_host
from pykubeadm.util.dataclass import dataclass
from pykubeadm.util.ip import join_host_port
from pykubeadm.workflow.events import NodeProgress, Note, PhaseFinished
from pykubeadm.workflow.phase import Choose, Phase, without

if TYPE_CHECKING:
    from pykubeadm.config.fleet import Host
    from pykubeadm.kube.port import Api
    from pykubeadm.node.port import File
    from pykubeadm.util.kube_object import KubeObject
    from pykubeadm.workflow.events import Event, Subscriber

_NODE_WITHIN = timedelta(minutes=2)
_TICK = 0.2  # seconds between two looks whether an interrupt or the end of the time came


@dataclass(frozen=True, slots=True)
class Outcome:
    """How it went on one host: `error` is None where all was done."""

    host: str
    seconds: float
    error: PykubeadmError | None = None
    changes: int = 0


@dataclass(slots=True)
class Applying:
    """One run. `cluster` is there once hosts can join, `joined` once all are through that will; `network` is how it went with the
    pod network; `leaving` are the removals, of which joining control planes wait for those of control planes; `authority` is
    etcd's CA and `members` are the hosts of the part etcd, which the first control plane waits for; `turns` are as many as hosts
    may join or leave at a time."""

    found: Found
    plan: Plan
    machines: Machines
    options: Options
    emit: Subscriber
    turns: threading.Semaphore
    admission: Admission = field(default_factory=new_admission)
    cluster: Future[Open] = field(default_factory=Future)
    joined: Future[list[str]] = field(default_factory=Future)
    network: Future[Outcome] = field(default_factory=Future)
    leaving: dict[str, Future[None]] = field(default_factory=dict)
    authority: Future[list[File]] = field(default_factory=Future)
    members: dict[str, Future[None]] = field(default_factory=dict)
    preparation: Preparation | None = None
    outcomes: dict[str, Outcome] = field(default_factory=dict)

    @property
    def described(self) -> Described:
        return self.found.described

    @property
    def endpoint(self) -> str:
        """The cluster's, as it is stored there."""
        cluster = self.found.facts.cluster
        return str(cluster.stored.get("controlPlaneEndpoint") or "") if cluster else ""


def apply(found: Found, machines: Machines, options: Options, emit: Subscriber) -> dict[str, Outcome]:
    """Carry out the plan that was found; how it went, by host. The caller says what failed."""
    plan, over = found.plan, threading.Event()

    def in_time(event: Event) -> None:
        if not over.is_set():  # then threads that nobody waits for any more say that their connections end
            emit(event)

    run = Applying(found, plan, machines, options, in_time, threading.Semaphore(options.forks))
    machines.hide((run.admission.token.partition(".")[2], run.admission.certificate_key))
    run.leaving = {action.host: Future() for action in plan.of("remove", "forget")}
    run.members = {action.host: Future() for action in plan.of("etcd")}
    try:
        return _work(run)
    finally:
        over.set()
        _close(run, emit)


def _work(run: Applying) -> dict[str, Outcome]:
    """How it went until all were through, or the time was: what becomes of threads that are still at work is not the run's."""
    threads = []
    if preparing := run.plan.of("prepare"):
        hosts = [run.found.host(action.host) for action in preparing]
        tags = sorted({tag for action in preparing for tag in action.tags})
        run.preparation = Preparation(run.found, run.machines, hosts, tags, run.emit)
        threads.append(_thread("prepare", run.preparation.run))
    names = list(dict.fromkeys(action.host for action in run.plan.actions if action.kind != "network"))
    if not run.plan.of("init"):
        threads.append(_thread("cluster", lambda: _open_cluster(run)))
    threads += [_thread(name, partial(_host, run, name)) for name in names]
    network = [_thread("network", partial(_network, run, action.host)) for action in run.plan.of("network")]
    _wait(threads, run.options)
    for name in names:
        late = NodeError("it was not done when --timeout ended the run")
        run.outcomes.setdefault(name, Outcome(name, run.options.timeout, late))
    run.joined.set_result([action.host for action in run.plan.of("init", "join") if run.outcomes[action.host].error is None])
    _wait(network, run.options)
    for action in run.plan.of("network"):
        late = NodeError(f"{action.host}: the pod network was not applied when --timeout ended the run")
        _add(run, run.network.result() if run.network.done() else Outcome(action.host, run.options.timeout, late))
    return dict(run.outcomes)


def _thread(name: str, work: Callable[[], None]) -> threading.Thread:
    """Begun. It does not keep the process: after an interrupt nobody waits for it."""
    thread = threading.Thread(target=work, name=name, daemon=True)
    thread.start()
    return thread


def _wait(threads: Sequence[threading.Thread], options: Options) -> None:
    """Until all are through, or the time is."""
    for thread in threads:
        while thread.is_alive() and options.left != 0:
            thread.join(_TICK)


def _host(run: Applying, name: str) -> None:
    """All that is to be done for one host, in its own thread."""
    began, changes, error = time.monotonic(), 0, None
    try:
        for action in run.plan.for_host(name):
            if action.kind != "network":
                changes += _DO[action.kind](run, action)
    except Exception as failure:  # noqa: BLE001 - whoever waits for this host gets to know
        error = run.machines.error_of(name, failure)
    # First of all: those who wait for this host end with the same error then, and it is this one's.
    run.outcomes[name] = Outcome(name, time.monotonic() - began, error, changes)
    if error:
        for futures in (run.leaving, run.members):
            with suppress(KeyError, InvalidStateError):
                futures[name].set_exception(error)
        if name in run.members and name == keeper(run.described, run.found.facts).name:
            with suppress(InvalidStateError):
                run.authority.set_exception(error)
        if any(action.kind == "init" for action in run.plan.for_host(name)):
            with suppress(InvalidStateError):
                run.cluster.set_exception(error)


def _open_cluster(run: Applying) -> None:
    """The cluster that is there lets in those who are to join."""
    facts = run.found.facts.cluster
    if facts is None:
        run.cluster.set_exception(PhaseError("there is no cluster to join"))
        return
    try:
        seed = run.found.host(facts.seed)
        node, address = run.machines.node(seed), run.found.address(seed.name)
        # Its certificates are for the endpoint that it has; one that the file has besides is for `reconfigure`.
        port = run.described.configuration.this_node.local_api_endpoint.bind_port
        admission = replace(run.admission, endpoint=run.endpoint or join_host_port(address, port))
        found = opened(run.described, seed, node, address, admission)
        if joining := [run.found.host(action.host) for action in run.plan.of("join")]:
            admit(found, run.described, address, joining, of_host(seed.name, "admit", run.emit))
        run.cluster.set_result(found)
    except Exception as failure:  # noqa: BLE001 - whoever waits for the cluster gets to know
        run.cluster.set_exception(run.machines.error_of(facts.seed, failure))


def _do_prepare(run: Applying, action: Action) -> int:
    """Wait for this host's part of the common run."""
    if run.preparation is None:
        raise PhaseError(f"{action.host} was not prepared")
    _result(run, run.preparation.ready[action.host], f"{action.host} to be prepared")
    return 1


def _do_etcd(run: Applying, action: Action) -> int:
    """The first host makes etcd's CA, the others get it from there. They begin once all are prepared: etcd needs a majority."""
    host, facts = run.found.host(action.host), run.found.facts
    node, emit, first = run.machines.node(host), of_host(action.host, "etcd", run.emit), keeper(run.described, facts)
    others = established(run.described, facts)
    for name in () if others else run.members:
        if run.preparation and name in run.preparation.ready:
            _result(run, run.preparation.ready[name], f"{name} to be prepared")
    if host.name == first.name:
        if problem := against_authority(run.described, facts, host):
            raise PhaseError(problem)
        make_authority(run.described, host, node, emit)
        run.authority.set_result(authority_of(run.described, node))
    elif first.name in run.members:
        keep(node, _result(run, run.authority, f"etcd's CA of {first.name}"))
    else:
        keep(node, authority_of(run.described, run.machines.node(first)))
    make_member(run.described, host, node, emit, others)
    run.members[host.name].set_result(None)
    return emit.changes


def _do_init(run: Applying, action: Action) -> int:
    from pykubeadm.commands.init.command import init
    from pykubeadm.commands.init.phases import PHASES

    host, address = run.found.host(action.host), run.found.address(action.host)
    node = run.machines.node(host)
    source = init_source(run.described.cluster, run.described.configuration, host, address, run.admission)
    shares = any(other.part == action.part for other in run.plan.of("join"))
    options = {"upload_certs": shares, "skip_token_print": True, "skip_certificate_key_print": True}
    emit = of_host(host.name, "init", run.emit)
    for name, future in run.members.items():
        _result(run, future, f"{name} to be a member of etcd")
    if run.described.cluster.having(ETCD):
        facts = look(run.described, run.machines, run.described.cluster.having(ETCD))  # by now, and whatever the limit is
        keep(node, client_of(run.described, run.machines.node(keeper(run.described, facts))))
    init(options, emit, choose=_but_prepare(PHASES), machine=node, source=source)
    run.cluster.set_result(opened(run.described, host, node, address, run.admission))
    return emit.changes


def _do_join(run: Applying, action: Action) -> int:
    from pykubeadm.commands.join.command import join
    from pykubeadm.commands.join.phases import PHASES

    found = _result(run, run.cluster, "the cluster")
    for leaving in run.plan.of("remove", "forget") if action.part == CONTROL_PLANE else ():
        if leaving.part != WORKER:  # etcd loses its members, also stale ones, before it gets others
            _result(run, run.leaving[leaving.host], f"{leaving.host} to leave the cluster")
    _balanced(run)
    host = run.found.host(action.host)
    admission = found.admission
    source = join_source(run.described.cluster, run.described.configuration, host, run.found.address(host.name), admission)
    emit = of_host(host.name, "join", run.emit)
    with _turn(run):
        join({}, emit, choose=_but_prepare(PHASES), machine=run.machines.node(host), source=source)
    return emit.changes


def _balanced(run: Applying) -> None:
    """Nodes join through the load balancers, where those are ours: one of them has to be there."""
    preparation = run.preparation
    if preparation is None:
        return
    balancers = [host.name for host in run.described.cluster.having(LOAD_BALANCER) if host.name in preparation.ready]
    errors = []
    for name in balancers:
        try:
            _result(run, preparation.ready[name], f"the load balancer {name}")
        except PykubeadmError as error:
            errors.append(error)
    if balancers and len(errors) == len(run.described.cluster.having(LOAD_BALANCER)):
        raise errors[0]


def _do_remove(run: Applying, action: Action) -> int:
    host = run.found.host(action.host)
    if ETCD in host.parts:
        return _do_leave_etcd(run, host)
    emit = of_host(host.name, "remove", run.emit)
    if LOAD_BALANCER in host.parts:  # first: its address moves while its API server still answers
        stop_balancing(run.machines.node(host), emit)
    facts = run.found.facts
    no_cluster = facts.cluster is None and not facts.nodes[host.name].has_state
    if host.parts == (LOAD_BALANCER,) or (LOAD_BALANCER in host.parts and no_cluster):
        run.leaving[host.name].set_result(None)
        return 1
    found = _result(run, run.cluster, "the cluster")
    for gone in run.plan.of("forget"):  # first: once the dead are out of etcd, it may well spare this one
        with suppress(PykubeadmError):
            _result(run, run.leaving[gone.host], f"{gone.host} to be forgotten")
    with _turn(run):
        remove(found, host, run.machines.node(host), run.endpoint, emit)
    run.leaving[host.name].set_result(None)
    return 1


def _do_leave_etcd(run: Applying, host: Host) -> int:
    emit = of_host(host.name, "remove", run.emit)
    _take_out_of_etcd(run, host, emit)
    directory = run.described.configuration.cluster.certificates_dir
    reset_node(run.machines.node(host), emit, certificates_dir=directory, skip_phases=("remove-etcd-member",))
    run.leaving[host.name].set_result(None)
    return 1


def _take_out_of_etcd(run: Applying, host: Host, emit: HostEvents) -> None:
    others = established(run.described, run.found.facts)
    if not others and (staying := [each.name for each in run.described.cluster.having(ETCD)]):
        raise PhaseError(
            f"none of {', '.join(staying)} is a healthy member of etcd that could take it out: bring them back first"
        )
    changes = leave(run.described, host, run.machines.node(others[0]), others) if others else ()
    emit(PhaseFinished(phase="etcd", outcome="changed" if changes else "unchanged", changes=tuple(changes)))


def _do_forget(run: Applying, action: Action) -> int:
    host = next((each for each in run.described.cluster.hosts if each.name == action.host), None)
    if host and ETCD in host.parts:
        _take_out_of_etcd(run, host, of_host(host.name, "forget", run.emit))
        run.leaving[host.name].set_result(None)
        return 1
    found = _result(run, run.cluster, "the cluster")
    forget(found, action.host, run.endpoint, of_host(action.host, "forget", run.emit))
    run.leaving[action.host].set_result(None)
    return 1


def _do_label(run: Applying, action: Action) -> int:
    from pykubeadm.kube.apply import retrying

    found = _result(run, run.cluster, "the cluster")
    body: dict[str, Any] = {"metadata": {"labels": dict(action.labels)}}
    live = _node_of(run, found, action.host)
    if action.taints is not None:
        kept = [taint for taint in live.get("spec", {}).get("taints") or () if is_of_program(taint)]
        body["spec"] = {"taints": [*action.taints, *kept]}
    retrying(lambda: found.api.patch("v1", "Node", action.host, body, how="merge"), found.api.call_timeout)
    changes = tuple(f"label {key}={value}" for key, value in action.labels.items())
    if action.taints is not None:
        changes = (*changes, "taints")
    run.emit(NodeProgress(node=action.host, step="label", outcome="changed", changes=changes))
    return len(changes)


def _node_of(run: Applying, found: Open, name: str) -> KubeObject:
    """The host's Node; its kubelet, which joined just now, may have to make it yet."""
    from pykubeadm.kube.waits import wait_for

    seen: list[KubeObject] = []

    def look() -> str | None:
        try:
            seen[:] = filter(None, [found.api.get("v1", "Node", name)])
        except ApiError as error:
            return str(error)
        return None if seen else "its kubelet has not made it yet"

    def report(target: str, reason: str) -> None:
        run.emit(NodeProgress(node=name, step="label", outcome="waiting", message=f"{target}: {reason}"))

    wait_for({f"Node {name}": look}, _NODE_WITHIN, report=report)
    return seen[0]


_DO: Mapping[str, Callable[[Applying, Action], int]] = {
    "prepare": _do_prepare,
    "etcd": _do_etcd,
    "init": _do_init,
    "join": _do_join,
    "remove": _do_remove,
    "forget": _do_forget,
    "label": _do_label,
}


@contextmanager
def _turn(run: Applying) -> Iterator[None]:
    """Taken only for work that waits for no other host: else a host that waits would keep the one it waits for from its turn."""
    if not run.turns.acquire(timeout=run.options.left):
        raise NodeError("--timeout ended the run before it was this host's turn")
    try:
        yield
    finally:
        run.turns.release()


def _but_prepare(phases: Sequence[Phase[Any]]) -> Choose:
    """All phases but the one that runs the roles on the machine itself: they ran from here."""
    return lambda skipped: without(phases, ("prepare", *skipped))


def _result(run: Applying, future: Future[Any], what: str) -> Any:
    """What the future holds; NodeError where the time is over."""
    while True:
        left = run.options.left
        try:
            return future.result(None if left is None else max(left, 0.01))
        except TimeoutError:
            raise NodeError(f"--timeout ended the run while it waited for {what}") from None


def _add(run: Applying, network: Outcome) -> None:
    """What became of the pod network to what else was done on that host."""
    before = run.outcomes.get(network.host)
    run.outcomes[network.host] = (
        network
        if before is None
        else replace(
            before,
            seconds=max(before.seconds, network.seconds),
            error=before.error or network.error,
            changes=before.changes + network.changes,
        )
    )


def _network(run: Applying, host: str) -> None:
    """The pod network, in its own thread, from the control plane `host`: begun with the cluster, so that it is there when the
    nodes are."""
    from pykubeadm.fleet.network import apply_network

    began, error = time.monotonic(), None
    try:
        if run.preparation and host in run.preparation.ready:
            _result(run, run.preparation.ready[host], f"{host} to be prepared")
        apply_network(
            run.described,
            run.machines,
            run.found.host(host),
            lambda: _result(run, run.cluster, "the cluster"),
            emit=of_host(host, "network", run.emit),
            joined=run.joined.result,
        )
    except Exception as failure:  # noqa: BLE001 - it must not be silent
        error = run.machines.error_of(host, failure)
        with suppress(OSError):  # of an output that cannot be written, which is for the main thread to say
            run.emit(NodeProgress(node=host, step="network", outcome="failed", message=str(error)))
    run.network.set_result(Outcome(host, time.monotonic() - began, error, changes=1))


def _close(run: Applying, emit: Subscriber) -> None:
    """Nothing that lets machines in outlasts the run, however it ended: where a thread may still be about to make it, that one is
    cut off before."""
    joining, facts = run.plan.of("join"), run.found.facts.cluster
    begun = [action.host for action in run.plan.of("init")]
    seed = begun[0] if begun else facts.seed if joining and facts else ""
    if not seed:
        return
    made = run.cluster.done()
    opened = made and not run.cluster.exception()

    def note(message: str) -> None:
        if opened or not begun:  # an init that was cut off may have made no API server yet, and nothing known to it
            emit(Note(level="warning", topic="", message=message))

    host = run.found.host(seed)
    shared = any(action.part == CONTROL_PLANE for action in joining)
    try:
        with nullcontext(run.machines.node(host)) if made else run.machines.apart(host) as node:
            api: Api = run.cluster.result().api if opened else api_of(node)
            withdraw(api, run.admission, note, shared=shared)
    except PykubeadmError as error:
        note(f"what lets machines in could not be deleted, and ends by itself within two hours: {error}")
