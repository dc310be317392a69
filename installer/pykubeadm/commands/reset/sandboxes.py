"""Removes the pods that a kubelet made; what else runs in the same runtime stays."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Final

from pykubeadm.commands.reset.run import ResetRun, in_turn
from pykubeadm.constants import KUBELET_DIR
from pykubeadm.errors import NodeError
from pykubeadm.node.cri import Cri, CrictlMissingError, Sandbox
from pykubeadm.node.port import Command, Unit

# The kubelet's cgroups (kubernetes: pkg/kubelet/cm), by either driver and in either version.
_PROCESSES: Final = Command.look_up(
    ("sh", "-c", "find /sys/fs/cgroup -path '*/kubepods*' -name cgroup.procs -exec cat {} + 2>/dev/null | head -n 1"),
    "look for processes of pods",
)


_SLICE: Final = Unit("kubepods.slice", enabled=None, state="stopped")
# As the runtime ends a sandbox that is stopped. An API server that is asked to end waits a minute for an etcd that has ended.
_KILL: Final = Command(("systemctl", "kill", "--signal=SIGKILL", "--", _SLICE.name), "end the processes of pods", check=False)


def remove_sandboxes(run: ResetRun) -> Iterator[str]:
    """With the systemd cgroup driver also where the runtime does not answer: what runs in the kubelet's slice ends with it."""
    yield from in_turn(lambda work: work(), (partial(_remove_all, run), partial(_stop_slice, run)))


def _remove_all(run: ResetRun) -> Iterator[str]:
    yield from in_turn(partial(_remove_of, run), run.sockets)


def _stop_slice(run: ResetRun) -> Iterator[str]:
    state = run.node.unit(_SLICE.name)
    if state.active == "active":
        run.node.run(_KILL)
    yield from (f"{action} {_SLICE.name}" for action in run.node.ensure_unit(_SLICE, known=state))


def _remove_of(run: ResetRun, socket: str) -> Iterator[str]:
    cri = Cri(run.node, socket)
    try:
        sandboxes = cri.sandboxes()
    except NodeError as error:
        if _needs_no_runtime(run):
            return
        repair = "" if isinstance(error, CrictlMissingError) else "start the runtime, "  # which is not what is missing then
        raise NodeError(f"the pods of this node may still run: {error}; {repair}then run this again") from error
    run.has_guests = run.has_guests or any(sandbox.ready and not sandbox.of_kubelet for sandbox in sandboxes)
    ours = [sandbox for sandbox in sandboxes if sandbox.of_kubelet]
    # The control plane last: what takes a pod off its network may ask the API.
    waves = ([sandbox for sandbox in ours if sandbox.static is static] for static in (False, True))
    yield from in_turn(partial(_remove, cri), waves)


def _needs_no_runtime(run: ResetRun) -> bool:
    """Whether nothing says that pods were here, or are."""
    if run.found.is_control_plane or run.node.list_dir(f"{KUBELET_DIR}/pods"):
        return False
    return not run.node.run(_PROCESSES).stdout.strip()


def _remove(cri: Cri, sandboxes: Sequence[Sandbox]) -> Iterator[str]:
    if not sandboxes:
        return
    try:
        cri.remove_sandboxes(sandboxes)
    except NodeError:
        left = {sandbox.id for sandbox in cri.sandboxes()}
        yield from (f"removed the pod {sandbox}" for sandbox in sandboxes if sandbox.id not in left)
        if any(sandbox.id in left for sandbox in sandboxes):
            raise
        # Else the crictl of a run that was killed has removed one meanwhile, which is an error to ours.
    else:
        yield from (f"removed the pod {sandbox}" for sandbox in sandboxes)
