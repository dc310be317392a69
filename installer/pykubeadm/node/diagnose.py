"""Why kubelet or control plane do not come up: what the unit, the journal, the runtime and the containers' logs say."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType

from pykubeadm.errors import NodeError
from pykubeadm.node.causes import Cause, rank, recognise
from pykubeadm.node.cri import Container, Cri, CrictlMissingError, Exit
from pykubeadm.node.port import Command, Node, UnitState
from pykubeadm.util.dataclass import dataclass

CONTROL_PLANE = ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler")  # in the order they need each other
POD_LOGS = "/var/log/pods"

_JOURNAL_LINES = 500
_LOG_LINES = 200  # read for causes
_SHOWN_ERRORS = 10
_SHOWN_LOG = 15
_SHOWN_WIDTH = 400
# A lasting cause seen this often is no accident: kubelet or container were started again and ended the same way.
_CERTAIN = 2

_ERROR = re.compile(r"^[EF]\d{4} |failed|error:|panic:|fatal", re.IGNORECASE)
_KLOG_HEAD = re.compile(r"^[IWEF]\d{4} [\d:.]+\s+\d+ (\S+\.go:\d+\]) ?")
_CRI_HEAD = re.compile(r"^\S+ std(?:out|err) [FP] ")
# Said again and again while there is no API server yet: consequences, never the cause.
_NOISE = re.compile(
    r"[Ff]ailed to (?:update|ensure) lease|Error getting node|Unable to register node with API server|Unable to write event"
    r"|Server rejected event|eviction manager: failed to get|[Ff]ailed to watch|reflector\.go|Nameserver limits exceeded"
    r"|[Ff]ailed to get system container stats|cni plugin not initialized|[Cc]ontainer runtime network not ready"
    r"|csi_plugin\.go|[Cc]ertificate_manager\.go|Failed to initialize CSINode|mirror pod|Error getting the current node"
    r"|Error updating node status, will retry|trying to set owner ref to the node lease|PLEG is not healthy: pleg has yet to be"
    r"|runtime status check may not have completed yet|container factory failed|checkpoint is not found|[Ee]viction manager: fail"
    r"|Failed to ensure process in container with oom score|Missing actuated pod level resource record"
)


@dataclass(frozen=True, slots=True)
class ContainerState:
    """A control-plane container: the newest of its name. `exit` is None while it runs or where the runtime does not say."""

    name: str
    state: str
    attempt: int
    exit: Exit | None = None


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """What was found. `log` are the last lines of the container `log_of`; `notes` say what could not be looked at."""

    causes: tuple[Cause, ...]
    unit: UnitState
    errors: tuple[str, ...] = ()
    containers: tuple[ContainerState, ...] = ()
    log_of: str = ""
    log: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def lasting(self) -> Cause | None:
        """A cause that waiting will not cure, where that is certain."""
        containers = {container.name: container for container in self.containers}
        for cause in self.causes:
            container = containers.get(cause.where)
            tried = container is not None and (container.attempt >= _CERTAIN or (cause.in_words and container.state == "exited"))
            if cause.lasting and (cause.times >= _CERTAIN or tried):
                return cause
        return None

    def render(self) -> str:
        """For a terminal: the likely cause first, then what it was concluded from."""
        lines: list[str] = []
        if self.causes:
            lines.append(f"likely cause: {self.causes[0]}")
            lines += [f"  also: {cause}" for cause in self.causes[1:3]]
        else:
            lines.append("no known cause was recognised; what there is to see:")
        lines.append(f"kubelet: {_unit_words(self.unit)}")
        if self.containers:
            lines.append("containers:")
            lines += [f"  {container.name:<24} {_container_words(container)}" for container in self.containers]
        lines += _section(f"last lines of {self.log_of}:", self.log[-_SHOWN_LOG:])
        lines += _section("last errors of the kubelet:", self.errors)
        lines += [f"note: {note}" for note in self.notes]
        return "\n".join(lines)


def diagnose(
    node: Node,
    socket: str,
    *,
    since: float | None = None,
    unhealthy: Sequence[str] = (),
    components: Sequence[str] = CONTROL_PLANE,
    replaced: Mapping[str, float] = MappingProxyType({}),
    former: Mapping[str, str] = MappingProxyType({}),
) -> Diagnosis:
    """Look at everything that may explain why `unhealthy` (of `components`) or the kubelet do not come up.

    `since` (seconds since the epoch) leaves out what the journal holds of earlier starts; `replaced` says when components got
    other manifests, so that the end of the former container is not taken for the reason, and `former` which pods (UIDs) had the
    former ones, whose containers the kubelet may start once more until it sees them; `socket` is the runtime's URL.
    Never raises NodeError: what cannot be looked at becomes a note.
    """
    notes: list[str] = []
    unit = node.unit("kubelet")
    journal = _journal(node, since, notes)
    cri = Cri(node, socket)
    since_replaced = {name: replaced.get(name, 0.0) for name in components}
    containers, logs = _containers(node, cri, since_replaced, former=former, unhealthy=unhealthy, notes=notes)
    causes = [
        *_unit_causes(unit),
        *recognise(journal, "kubelet"),
        *(cause for container in containers for cause in _exit_causes(container)),
        *(cause for name, lines in logs.items() for cause in recognise(lines, name)),
    ]
    causes.sort(key=rank)
    # The log that the likely cause was found in, else that of the component which the others need.
    shown = next((name for name in (*(cause.where for cause in causes[:1]), *logs) if logs.get(name)), "")
    return Diagnosis(
        causes=tuple(_with_program(node, cause) for cause in causes),
        unit=unit,
        errors=last_errors(journal),
        containers=containers,
        log_of=shown,
        log=tuple(_shortened(line) for line in logs.get(shown, ())),
        notes=tuple(notes),
    )


def last_errors(journal: Iterable[str], limit: int = _SHOWN_ERRORS) -> tuple[str, ...]:
    """The last errors of a kubelet's log, without klog's heads, repetitions and what only follows from a missing API server."""
    found: dict[str, str] = {}
    for line in journal:
        if _ERROR.search(line) and not _NOISE.search(line):
            text = _shortened(_KLOG_HEAD.sub(r"\1 ", line))
            key = re.sub(r"\d+", "#", text)
            found.pop(key, None)  # the last place counts
            found[key] = text
    return tuple(found.values())[-limit:]


def _journal(node: Node, since: float | None, notes: list[str]) -> tuple[str, ...]:
    after = (f"--since=@{since:.3f}",) if since is not None else ()
    argv = ("journalctl", "-u", "kubelet", "-o", "cat", "--no-pager", "-q", "-n", str(_JOURNAL_LINES), *after)
    try:
        done = node.run(Command.look_up(argv, "read the kubelet's journal", timeout=15))
    except NodeError as error:
        notes.append(f"the kubelet's journal could not be read: {error}")
        return ()
    if done.status != 0:
        notes.append(f"the kubelet's journal could not be read (journalctl ended with status {done.status})")
    return tuple(line for line in done.stdout.splitlines() if line.strip())


def _containers(
    node: Node,
    cri: Cri,
    components: Mapping[str, float],
    *,
    former: Mapping[str, str],
    unhealthy: Sequence[str],
    notes: list[str],
) -> tuple[tuple[ContainerState, ...], dict[str, tuple[str, ...]]]:
    """The state of each component's newest container, and the logs of those that do not run or are not healthy. `components` says
    when each got another manifest, 0 for never: before that a container is the former one, which says nothing."""
    try:
        every = cri.containers()
    except CrictlMissingError as error:
        notes.append(str(error))
        return _from_log_files(node, components)
    except NodeError as error:
        notes.append(str(error))
        return (), {}
    states: list[ContainerState] = []
    logs: dict[str, tuple[str, ...]] = {}
    for name, replaced in components.items():
        newest = newest_container(every, name)
        is_former = newest is not None and bool(newest.pod_uid) and newest.pod_uid == former.get(name)
        if newest is None or is_former or newest.created < replaced * 1_000_000_000:
            states.append(ContainerState(name, "not created" if newest is None else f"not replaced yet, {newest.state}", 0))
            continue
        running = newest.state == "running"
        states.append(ContainerState(name, newest.state, newest.attempt, None if running else _exit(cri, newest)))
        if not running or name in unhealthy:
            logs[name] = _log(cri, newest)
    return tuple(states), logs


def not_running(node: Node, socket: str, components: Sequence[str]) -> tuple[str, ...]:
    """Those of `components` whose newest container does not run, or that have none; () also where the runtime cannot be asked."""
    if not components:
        return ()
    try:
        every = Cri(node, socket).containers()
    except NodeError:
        return ()
    newest = {name: newest_container(every, name) for name in components}
    return tuple(name for name, container in newest.items() if container is None or container.state != "running")


def runs_since(node: Node, socket: str, component: str, since: float) -> bool:
    """Whether the newest container of `component` was created after `since` (seconds since the epoch) and runs; True where
    there is no crictl to ask with."""
    try:
        newest = newest_container(Cri(node, socket).containers(), component)
    except CrictlMissingError:
        return True
    except NodeError:
        return False
    return newest is not None and newest.state == "running" and newest.created >= since * 1_000_000_000


def newest_container(every: Iterable[Container], name: str) -> Container | None:
    """The last one of a control-plane component that was created; None where there is none."""
    same = (container for container in every if container.name == name and container.namespace == "kube-system")
    return max(same, key=lambda container: (container.created, container.attempt), default=None)


def _exit(cri: Cri, container: Container) -> Exit | None:
    try:
        return cri.exit(container)
    except NodeError:
        return None  # removed meanwhile


def _log(cri: Cri, container: Container) -> tuple[str, ...]:
    try:
        return cri.logs(container, _LOG_LINES)
    except NodeError:
        return ()  # removed meanwhile


def _from_log_files(node: Node, components: Iterable[str]) -> tuple[tuple[ContainerState, ...], dict[str, tuple[str, ...]]]:
    """Without crictl: the kubelet keeps <namespace>_<pod>_<uid>/<container>/<attempt>.log below /var/log/pods."""
    states: list[ContainerState] = []
    logs: dict[str, tuple[str, ...]] = {}
    pods = node.list_dir(POD_LOGS)
    for name in components:
        files = [
            (int(file.removesuffix(".log")), f"{POD_LOGS}/{pod}/{name}/{file}")
            for pod in pods
            if pod.startswith(f"kube-system_{name}-")
            for file in node.list_dir(f"{POD_LOGS}/{pod}/{name}")
            if file.removesuffix(".log").isdigit()
        ]
        if files:
            attempt, path = max(files)
            done = node.run(Command.look_up(("tail", "-n", str(_LOG_LINES), path), "read a log", timeout=15))
            logs[name] = tuple(_CRI_HEAD.sub("", line) for line in done.stdout.splitlines() if line.strip())
            states.append(ContainerState(name, "unknown", attempt))
        else:
            states.append(ContainerState(name, "no log", 0))
    return tuple(states), logs


def _unit_causes(unit: UnitState) -> list[Cause]:
    if unit.load == "not-found":
        return [
            Cause(
                "no-unit",
                "kubelet",
                "there is no kubelet service on this node",
                "install the kubelet and its unit",
                lasting=True,
                times=2,
            )
        ]
    if unit.load == "masked":
        return [
            Cause("masked-unit", "kubelet", "the kubelet's unit is masked", "systemctl unmask kubelet", lasting=True, times=2)
        ]
    if unit.active == "inactive":
        return [Cause("stopped-unit", "kubelet", "the kubelet's unit is stopped", "systemctl start kubelet")]
    return []


def _exit_causes(container: ContainerState) -> list[Cause]:
    if container.exit is None:
        return []
    if container.exit.reason == "OOMKilled":
        return [
            Cause(
                "out-of-memory",
                container.name,
                f"{container.name} ran out of memory",
                "give the machine more memory",
            )
        ]
    return recognise(container.exit.message.splitlines(), container.name)


def _with_program(node: Node, cause: Cause) -> Cause:
    """Name the program that has the port, where `ss` knows it."""
    port = re.search(r"^port (\d+) is taken", cause.sentence)
    if cause.name != "port-taken" or port is None:
        return cause
    done = node.run(Command.look_up(("ss", "-ltnpH", f"sport = :{port[1]}"), "see who has the port", timeout=10))
    users = re.findall(r'\("([^"]+)",pid=(\d+)', done.stdout)
    if not users:
        return cause
    names = ", ".join(dict.fromkeys(f"{program} (pid {pid})" for program, pid in users))
    return replace(cause, sentence=f"port {port[1]} is taken by {names}, so {cause.where} cannot listen")


def _unit_words(unit: UnitState) -> str:
    if unit.load != "loaded":
        return unit.load
    words = f"{unit.active} ({unit.sub}), {unit.enabled}"
    if unit.result not in ("", "success"):
        words += f", last result {unit.result}"
    if unit.restarts:
        words += ", restarted once" if unit.restarts == 1 else f", restarted {unit.restarts} times"
    return words


def _container_words(container: ContainerState) -> str:
    words = container.state
    if container.attempt:
        words += f", attempt {container.attempt}"
    if container.exit is not None:
        words += f", exit code {container.exit.code}" + (f" ({container.exit.reason})" if container.exit.reason else "")
        if container.exit.message:
            words += f": {_shortened(container.exit.message)}"
    return words


def _section(title: str, lines: Sequence[str]) -> list[str]:
    return [title, *(f"  {line}" for line in lines)] if lines else []


def _shortened(line: str) -> str:
    return line if len(line) <= _SHOWN_WIDTH else f"{line[:_SHOWN_WIDTH]}…"
