"""Removes the pods that a kubelet made; what else runs in the same runtime stays."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import field
from functools import partial
from itertools import groupby
from typing import Any, Final

from pykubeadm.commands.reset.run import ResetRun, in_turn
from pykubeadm.constants import KUBELET_DIR
from pykubeadm.errors import NodeError
from pykubeadm.node.cri import Cri, CrictlMissingError, Sandbox
from pykubeadm.node.port import Command, File, Unit
from pykubeadm.util.dataclass import dataclass

# The kubelet's cgroups (kubernetes: pkg/kubelet/cm), by either driver and in either version.
_PROCESSES: Final = Command.look_up(
    ("sh", "-c", "find /sys/fs/cgroup -path '*/kubepods*' -name cgroup.procs -exec cat {} + 2>/dev/null | head -n 1"),
    "look for processes of pods",
)
# Plugins that need nothing but the node to take a pod off its network (containernetworking/plugins, flannel-io/cni-plugin).
_OF_THE_NODE: Final = frozenset(
    {
        "bandwidth",
        "bridge",
        "firewall",
        "flannel",
        "host-local",
        "ipvlan",
        "loopback",
        "macvlan",
        "portmap",
        "ptp",
        "static",
        "tuning",
    }
)
_CNI: Final = "/etc/cni/net.d"
# A network, the first by name, that has nothing to do for a pod that goes.
_STAND_IN: Final = File(
    f"{_CNI}/00-pykubeadm-reset.conflist",
    b'{"cniVersion": "0.4.0", "name": "pykubeadm-reset", "plugins": [{"type": "loopback"}]}\n',
)
_TRIES: Final = 3
_PAUSE: Final = 1.0  # seconds in which a runtime takes up its networks' configuration, which it watches

_SLICE: Final = Unit("kubepods.slice", enabled=None, state="stopped")
# As the runtime ends a pod. An API server that is asked to end waits a minute for an etcd that has ended.
_KILL: Final = Command(("systemctl", "kill", "--signal=SIGKILL", "--", _SLICE.name), "end the processes of pods", check=False)


@dataclass(slots=True)
class _Pods:
    """The pods that the kubelet made, each with its runtime; whether these are all, and whether all are gone."""

    run: ResetRun
    found: list[tuple[Cri, Sandbox]] = field(default_factory=list)
    are_all: bool = False
    are_gone: bool = False

    def look(self) -> Iterator[str]:
        yield from in_turn(self._look_in, self.run.sockets)
        self.are_all = True

    def _look_in(self, socket: str) -> Iterator[str]:
        cri = Cri(self.run.node, socket)
        try:
            sandboxes = cri.sandboxes()
        except NodeError as error:
            if _needs_no_runtime(self.run):
                return
            repair = "" if isinstance(error, CrictlMissingError) else "start the runtime, "  # which is not what is missing then
            raise NodeError(f"the pods of this node may still run: {error}; {repair}then run this again") from error
        self.run.has_guests = self.run.has_guests or any(sandbox.ready and not sandbox.of_kubelet for sandbox in sandboxes)
        self.found += [(cri, sandbox) for sandbox in sandboxes if sandbox.of_kubelet]
        self.run.pods |= {sandbox.id for sandbox in sandboxes if sandbox.of_kubelet}
        yield from ()

    def remove(self) -> Iterator[str]:
        """All at once, or the control plane's last where what takes a pod off its network may ask the API."""
        first = [pod for pod in self.found if not pod[1].static]
        last = [pod for pod in self.found if pod[1].static]
        waves = [first, last] if first and last and not _frees_pods_alone(self.run) else [self.found]
        remove = partial(_remove, self.run)
        yield from in_turn(remove, [list(pods) for wave in waves for _, pods in groupby(wave, key=lambda pod: pod[0].socket)])
        self.are_gone = self.are_all

    def kill(self) -> Iterator[str]:
        """What a runtime that does not answer has left. (Killed before, pods would be gone while the runtime ends them, which
        containerd takes for an error.)"""
        self.run.pods_remain = not self.are_gone
        if self.run.pods_remain and self.run.node.unit(_SLICE.name).active == "active":
            self.run.node.run(_KILL)
            yield from stop_slice(self.run)


def remove_sandboxes(run: ResetRun) -> Iterator[str]:
    """With the systemd cgroup driver also where the runtime does not answer: what runs in the kubelet's slice ends with it."""
    run.node.remove([_STAND_IN.path])  # of a run that was killed
    pods = _Pods(run)
    parts: list[Callable[[], Iterator[str]]] = [pods.look, pods.remove, pods.kill]
    yield from in_turn(lambda part: part(), parts)


def stop_slice(run: ResetRun) -> Iterator[str]:
    """The kubelet's slice of cgroups, which is there without pods, too."""
    yield from (f"{action} {_SLICE.name}" for action in run.node.ensure_unit(_SLICE))


def _frees_pods_alone(run: ResetRun) -> bool:
    """Whether every network plugin that is configured is known to ask nobody; False where none is."""
    types: set[str] = set()
    for name in run.node.list_dir(_CNI):
        if name.endswith((".conf", ".conflist", ".json")):
            try:
                types.update(_types(json.loads(run.node.read(f"{_CNI}/{name}") or b"{}")))
            except (ValueError, RecursionError):
                return False
    return bool(types) and types <= _OF_THE_NODE


def _types(value: Any) -> Iterator[str]:
    """Of plugins, of those for addresses, and of those that plugins hand on to."""
    if isinstance(value, dict):
        yield from (str(found) for name, found in value.items() if name == "type")
    for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from _types(inner)


def _needs_no_runtime(run: ResetRun) -> bool:
    """Whether nothing says that pods were here, or are."""
    if run.found.is_control_plane or run.node.list_dir(f"{KUBELET_DIR}/pods"):
        return False
    return not run.node.run(_PROCESSES).stdout.strip()


def _remove(run: ResetRun, pods: Sequence[tuple[Cri, Sandbox]]) -> Iterator[str]:
    """Twice if need be, as kubeadm's reset tries again, too. What the crictl of a run that was killed removes meanwhile is an
    error to ours."""
    cri, sandboxes = pods[0][0], [sandbox for _, sandbox in pods]
    left, failure = _try_to_remove(cri, sandboxes)
    if left:
        left, failure = _try_to_remove(cri, left)
    if left and "network" in str(failure) and not run.has_guests:
        left, failure = _remove_without_network(run, cri, left)
    ids = {sandbox.id for sandbox in left}
    yield from (f"removed the pod {sandbox}" for sandbox in sandboxes if sandbox.id not in ids)
    if left and failure is not None:
        raise failure


def _remove_without_network(run: ResetRun, cri: Cri, sandboxes: Sequence[Sandbox]) -> tuple[Sequence[Sandbox], NodeError | None]:
    """A network plugin that is gone, or asks an API that is gone, keeps a runtime from removing pods for ever (kubeadm#2711).
    What it would do goes with the cluster's interfaces, rules and leases."""
    run.note("info", "the network's plugin cannot let go of the pods: they are removed without it")
    run.pods_went_alone = True
    failure: NodeError | None = None
    try:
        run.node.write([_STAND_IN])
        for _ in range(_TRIES):
            time.sleep(_PAUSE)
            sandboxes, failure = _try_to_remove(cri, sandboxes)
            if not sandboxes:
                break
    finally:
        run.node.remove([_STAND_IN.path])
    return sandboxes, failure


def _try_to_remove(cri: Cri, sandboxes: Sequence[Sandbox]) -> tuple[Sequence[Sandbox], NodeError | None]:
    """Those that are left, and why."""
    try:
        cri.remove_sandboxes(sandboxes)
    except NodeError as error:
        present = {sandbox.id for sandbox in cri.sandboxes()}
        return [sandbox for sandbox in sandboxes if sandbox.id in present], error
    return [], None
