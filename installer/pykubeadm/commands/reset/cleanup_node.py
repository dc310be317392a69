"""cleanup-node: stops the kubelet and its pods, then removes what is the cluster's (kubeadm: cmd/phases/reset/cleanupnode.go).

A table of parts. Each is tried whatever became of those before it; what could not be removed is reported at the end. What says
where things are (manifests, the kubelet's files, the journal) goes last, so that a run that was killed can be run again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final

from pykubeadm.commands.reset.run import ResetRun
from pykubeadm.workflow.phase import Changes, Phase

if TYPE_CHECKING:
    from pykubeadm.node.cri import Cri, Sandbox

_THREADS: Final = 8  # pods that are removed at once


@dataclass(frozen=True, slots=True)
class _Part:
    """`keep` is what `--keep` calls it, "" where kubeadm's reset removes it, too."""

    remove: Callable[[ResetRun], Iterator[str]]
    keep: str = ""


def _parts() -> tuple[_Part, ...]:
    from pykubeadm.commands.reset import accounts, files, mounts, network

    return (
        _Part(_stop_kubelet),
        _Part(_stop_units, "units"),
        _Part(_remove_sandboxes),
        _Part(mounts.unmount),
        _Part(files.remove_etcd_data),
        _Part(files.remove_home_kubeconfig, "kubeconfig"),
        _Part(network.remove_rules, "rules"),
        _Part(network.remove_interfaces, "interfaces"),
        _Part(files.remove_cni, "cni"),
        _Part(files.remove_units, "units"),
        _Part(files.remove_tmp, "tmp"),
        _Part(files.remove_kubeconfigs),
        _Part(files.remove_certificates),
        _Part(accounts.remove_accounts),
        _Part(files.empty_kubelet_directory),
        _Part(files.remove_manifests),
        _Part(files.remove_journaled),
        _Part(_forget, "state"),
    )


def _apply(run: ResetRun) -> Changes:
    from pykubeadm.errors import PykubeadmError, UnfinishedError

    changes: list[str] = []
    problems: list[str] = []
    for part in _parts():
        if part.keep and part.keep in run.keep:
            continue
        try:
            changes.extend(part.remove(run))
        except PykubeadmError as error:
            problems.append(str(error))
    if problems:
        raise UnfinishedError("\n".join(problems), changes)
    return changes


def _stop_kubelet(run: ResetRun) -> Iterator[str]:
    yield from _stop(run, "kubelet")


def _stop_units(run: ResetRun) -> Iterator[str]:
    from pykubeadm.commands.reset.files import UNITS

    for unit in UNITS:
        yield from _stop(run, unit, disable=True)


def _stop(run: ResetRun, unit: str, *, disable: bool = False) -> Iterator[str]:
    yield from (f"{action} {unit}" for action in run.node.ensure_unit(unit, enabled=False if disable else None, running=False))


def _remove_sandboxes(run: ResetRun) -> Iterator[str]:
    from pykubeadm.constants import KUBELET_DIR
    from pykubeadm.errors import NodeError
    from pykubeadm.node.cri import Cri
    from pykubeadm.util.side_by_side import side_by_side

    cri = Cri(run.node, run.reset.cri_socket)
    try:
        sandboxes = cri.sandboxes_of_kubelet()
    except NodeError as error:
        if not run.found.is_control_plane and not run.node.list_dir(f"{KUBELET_DIR}/pods"):
            return  # a bare node needs no runtime
        raise NodeError(f"the pods of this node may still run: {error}; start the runtime, then run this again") from error
    failures = [failure for failure in side_by_side(partial(_remove_sandbox, cri), sandboxes, _THREADS) if failure]
    if gone := len(sandboxes) - len(failures):
        yield f"removed {gone} pods"
    if failures:
        raise NodeError("; ".join(failures))


def _remove_sandbox(cri: Cri, sandbox: Sandbox) -> str:
    from pykubeadm.errors import NodeError

    try:
        cri.remove_sandbox(sandbox)
    except NodeError as error:
        return str(error)
    return ""


def _forget(run: ResetRun) -> Iterator[str]:
    """The journal, last: until here it says what is ours."""
    from pykubeadm.constants import STATE_DIR

    run.journal.discard()
    yield from (f"removed {path}" for path in run.node.remove([STATE_DIR]))


cleanup_node: Phase[ResetRun] = Phase(
    name="cleanup-node",
    summary="Stop the kubelet and its pods, and remove what is the cluster's",
    apply=_apply,
    unchanged="nothing of a cluster is here",
    flags=("cert-dir", "cleanup-tmp-dir", "cri-socket", "dry-run", "keep"),
)
