"""Phase `prepare` of init and join: the node roles bring what is missing on a bare node; a node that has it is left alone.

Looking costs milliseconds and starts no Ansible, so `init` on a node that was prepared, by whatever means, is not slower for it.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Literal

from pykubeadm.constants import STATE_DIR
from pykubeadm.errors import PhaseError
from pykubeadm.node.port import File, Looked, Node, Unit
from pykubeadm.phases.run import ClusterRun
from pykubeadm.util.socket_url import socket_path
from pykubeadm.workflow.events import Event, NodeTask, Note
from pykubeadm.workflow.phase import Phase

if TYPE_CHECKING:
    from pykubeadm.ansible.results import PlaybookEvent
    from pykubeadm.config.model import Configuration

NAME = "prepare"
# The roles that are at work, one a line: there while they are, so that a run that was killed is finished by the next one, and
# a runtime that is installed but not configured yet is not taken for one that was set up by other means.
MARK = f"{STATE_DIR}/preparing"
# systemd.unit(5), "System Unit Search Path"
_UNIT_FOLDERS = ("/etc/systemd/system", "/run/systemd/system", "/usr/local/lib/systemd/system", "/usr/lib/systemd/system")
_UNIT = "kubelet.service"
_STARTED = re.compile(r"^ExecStart=[-@:+!|]*(/\S+)", re.MULTILINE)  # systemd.service(5)
_FORWARDING = "/proc/sys/net/ipv4/ip_forward"
_FORWARDING6 = "/proc/sys/net/ipv6/conf/default/forwarding"
_KUBELET_ENVIRONMENT = ("/etc/default/kubelet", "/etc/sysconfig/kubelet")  # of kubeadm's unit: KUBELET_EXTRA_ARGS
_FAIL_SWAP_ON = re.compile(r"^[^#\n]*--fail-swap-on=(\w+)", re.ASCII | re.MULTILINE)
_SWAPS = "/proc/swaps"
_CONTAINER = "/run/systemd/container"
_SOCKETS = ("/run/containerd/containerd.sock", "/run/crio/crio.sock", "/run/cri-dockerd.sock")


def missing(node: Node, configuration: Configuration, ignored: frozenset[str] = frozenset()) -> dict[str, str]:
    """Tag of the playbook → what is missing on the node, in words; {} where nothing is that the roles would bring. What the user
    has preflight ignore (`ignored`, in lower case) is as they want it on a node that has a runtime and a kubelet."""
    from pykubeadm.phases.preflight.paths import places_in_path

    found: dict[str, str] = {}
    units = [f"{folder}/{_UNIT}" for folder in _UNIT_FOLDERS]
    settings = [path for path in _forwarding(configuration) if not _is_ignored(ignored, f"FileContent-{path.replace('/', '-')}")]
    wanted = socket_path(configuration.this_node.node_registration.cri_socket)
    sockets = (wanted,) if wanted else _SOCKETS
    places = places_in_path(node, "kubelet")
    seen = node.ahead(read=(*settings, _SWAPS, MARK, *_KUBELET_ENVIRONMENT), stat=(*sockets, *places, *units, _CONTAINER))
    if not any(_is_socket(seen, path) for path in sockets):
        found["runtime"] = f"no container runtime listens on {' or '.join(sockets)}"
        found["cni"] = "its network plugins come with the runtime"
    present = [unit for unit in units if seen.stat(unit)]
    if not (any(seen.stat(path) for path in places) or any(_starts_what_is_there(node, unit) for unit in present)):
        found["kubelet"] = "there is no kubelet"
    elif not present and node.unit(_UNIT).load != "loaded":  # systemd takes 10 ms to answer
        found["kubelet"] = f"there is no unit {_UNIT}"
    if any((seen.read(setting) or b"1").strip() == b"0" for setting in settings):
        found["kernel"] = "IP forwarding is off"
    if _swap_is_on(seen) and _fails_with_swap(seen, configuration) and not _is_ignored(ignored, "Swap"):
        found["cgroups"] = "swap is on"
    if "runtime" in found or "kubelet" in found:
        found |= {
            "kernel": found.get("kernel", "a bare node"),
            "cgroups": found.get("cgroups", "a bare node"),
            "firewall": "a bare node",
        }
    if "runtime" in found:
        found["images"] = "a new runtime has no images"
    unfinished = (seen.read(MARK) or b"").decode(errors="replace").split()
    return dict.fromkeys(unfinished, "an earlier run was interrupted") | found


def _starts_what_is_there(node: Node, unit: str) -> bool:
    """Whether the kubelet is where its unit's file says, as in /opt/bin where /usr is read-only."""
    programs = _STARTED.findall((node.read(unit) or b"").decode(errors="replace"))
    return any(node.stat(program) is not None for program in programs)


def _is_ignored(ignored: frozenset[str], check: str) -> bool:
    """Whether a check of preflight is."""
    return not ignored.isdisjoint(("all", check.lower()))


def _fails_with_swap(node: Looked, configuration: Configuration) -> bool:
    """Whether the kubelet will not start where swap is on. The last flags that it gets are in the file with the environment of
    its unit (kubeadm: 10-kubeadm.conf)."""
    from pykubeadm.config.model import Arg
    from pykubeadm.manifests.kubelet import starts_with_swap

    lines = "\n".join((node.read(path) or b"").decode(errors="replace") for path in _KUBELET_ENVIRONMENT)
    last = [Arg(name="fail-swap-on", value=value) for value in _FAIL_SWAP_ON.findall(lines)]
    return not starts_with_swap(configuration.kubelet, [*configuration.this_node.node_registration.kubelet_extra_args, *last])


def _forwarding(configuration: Configuration) -> Sequence[str]:
    """The kernel's settings for the IP families of the cluster."""
    networking = configuration.cluster.networking
    has_ipv6 = ":" in networking.service_subnet + networking.pod_subnet
    return (_FORWARDING, *((_FORWARDING6,) if has_ipv6 else ()))


def _is_socket(node: Looked, path: str) -> bool:
    stat = node.stat(path)
    return stat is not None and stat.kind == "socket"


def _swap_is_on(node: Looked) -> bool:
    """In a container the swap that shows is the host's, which the roles leave alone."""
    if node.stat(_CONTAINER) is not None:
        return False
    return len((node.read(_SWAPS) or b"").splitlines()) > 1


def _has_systemd(run: ClusterRun) -> bool:
    """Below another root (--rootfs) and on machines without systemd there is nothing that the roles could do."""
    return run.node.stat("/run/systemd/system") is not None


def check(run: ClusterRun) -> str | None:
    """The reason why nothing is to be done, None where something is."""
    if missing(run.node, run.configuration, run.ignore_preflight_errors):
        return None
    return "a container runtime and a kubelet are there"


def apply(run: ClusterRun) -> Sequence[str]:
    """Run the roles of what is missing on this node; returns what they changed."""
    from pykubeadm.ansible.assets import find_assets
    from pykubeadm.ansible.playbook import run_playbook
    from pykubeadm.ansible.variables import node_variables
    from pykubeadm.ansible.workspace import workspace

    run.prepared = True
    changes: list[str] = list(_start_runtime(run.node))
    absent = missing(run.node, run.configuration, run.ignore_preflight_errors)
    if not absent:
        return changes
    if run.node.remote:
        raise PhaseError(f"{run.node.name} is not prepared: {'; '.join(absent.values())}: run the roles on it first")
    configuration, host = run.configuration, run.host
    variables = node_variables(
        configuration,
        part=part_of(run),
        assets=find_assets(configuration.cluster.kubernetes_version, os.environ),
        proxy_env=host.proxy_env,
        addresses=(host.hostname, *sorted(host.addresses)),
    )
    report = translated(run.emit, changes)
    # The inventory's name of this node is what errors call it.
    name = configuration.this_node.node_registration.name or host.hostname
    if run.dry_run:
        run.missing_parts = frozenset(absent)
    else:
        run.node.write([File(MARK, "".join(f"{tag}\n" for tag in sorted(absent)).encode())])
    with workspace(variables, host_name=name) as space:
        run_playbook(space, "prepare", report, tags=sorted(absent), check=run.dry_run, diff=run.dry_run)
    run.node.remove([MARK])
    return changes


def _start_runtime(node: Node) -> Sequence[str]:
    """A runtime that was set up by other means and only does not run is started as it is."""
    if node.read(MARK) is not None:
        return ()
    for unit, socket in (("containerd.service", _SOCKETS[0]), ("crio.service", _SOCKETS[1])):
        if not _is_socket(node, socket) and node.unit(unit).load == "loaded":
            return tuple(f"{unit} {action}" for action in node.ensure_unit(Unit(unit)))
    return ()


def part_of(run: ClusterRun) -> Literal["control-plane", "worker"]:
    return "control-plane" if run.is_control_plane else "worker"


def verify(run: ClusterRun) -> None:
    left = missing(run.node, run.configuration, run.ignore_preflight_errors)
    if left:
        raise PhaseError(
            f"the node was prepared, but still {'; '.join(left.values())}; pykubeadm node prepare --check --diff shows more"
        )


def translated(emit: Callable[[Event], None], changes: list[str], *, phase: str = NAME) -> Callable[[PlaybookEvent], None]:
    """A subscriber of a playbook that emits ours, as those of `phase`, and gathers what changed, as sentences."""
    from pykubeadm.ansible.results import TaskEnded, TaskStarted

    def report(event: PlaybookEvent) -> None:
        match event:
            case TaskStarted():
                role = event.role.rpartition(".")[2]
                emit(NodeTask(phase=phase, node="", role=role, task=event.task, outcome="started"))
            case TaskEnded():
                emit(
                    NodeTask(
                        phase=phase,
                        node=event.host,
                        role=event.role_name,
                        task=event.task,
                        outcome=event.outcome,
                        changes=event.changes,
                        diff=event.diff,
                        seconds=event.seconds,
                    )
                )
                for warning in event.said:
                    emit(Note(level="warning", topic=f"{phase}/{event.host}", message=warning))
                if event.outcome == "changed":
                    task = event.task[:1].lower() + event.task[1:]
                    changes.append(f"{event.host}: {task}" + (f": {', '.join(event.changes)}" if event.changes else ""))

    return report


prepare: Phase[ClusterRun] = Phase(
    name=NAME,
    summary="Install what is missing on the node: kernel settings, container runtime, kubelet",
    check=check,
    apply=apply,
    verify=verify,
    when=_has_systemd,
)
