"""cleanup-node: stops the kubelet and its pods, then removes what is the cluster's (kubeadm: cmd/phases/reset/cleanupnode.go).

A table of parts, those of one row at the same time. Each is tried whatever became of those before it; what could not be removed
is reported at the end. What says where things are (manifests, the kubelet's files, the journal) goes last, so that a run that
was killed can be run again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

from pykubeadm.commands.reset.run import ResetRun
from pykubeadm.errors import PykubeadmError, UnfinishedError
from pykubeadm.util.dataclass import dataclass
from pykubeadm.util.side_by_side import side_by_side
from pykubeadm.workflow.phase import Changes, Phase


@dataclass(frozen=True, slots=True)
class _Part:
    """`keep` is what `--keep` calls it, "" where kubeadm's reset removes it, too."""

    remove: Callable[[ResetRun], Iterator[str]]
    keep: str = ""


def _parts() -> tuple[tuple[_Part, ...], ...]:
    """Those in one row do not depend on each other."""
    from pykubeadm.commands.reset import accounts, etcd_data, files, mounts, network, sandboxes

    rows = (
        (_Part(_stop_kubelet),),
        (_Part(files.stop_units, "units"),),
        (_Part(sandboxes.remove_sandboxes),),
        (_Part(files.remove_home_kubeconfig, "kubeconfig"),),
        (_Part(network.remove_services, "rules"),),
        (
            _Part(mounts.unmount),
            _Part(etcd_data.remove_etcd),
            _Part(sandboxes.stop_slice),
            _Part(network.remove_chains, "rules"),
            _Part(network.remove_chains6, "rules"),
            _Part(network.remove_nft_tables, "rules"),
            _Part(network.remove_links, "interfaces"),
        ),
        (_Part(network.remove_sets, "rules"),),
    )
    last = (
        _Part(files.remove_cni, "cni"),
        _Part(files.remove_units, "units"),
        _Part(files.remove_logs, "logs"),
        _Part(files.remove_tmp, "tmp"),
        _Part(files.remove_kubeconfigs),
        _Part(files.remove_certificates),
        _Part(accounts.remove_accounts),
        _Part(files.empty_kubelet_directory),
        _Part(files.remove_manifests),
        _Part(files.remove_journaled),
    )
    return (*rows, *((part,) for part in last))


def _apply(run: ResetRun) -> Changes:
    from pykubeadm.commands.reset.files import forget

    changes: list[str] = []
    problems: list[str] = []
    for row in _parts():
        wanted = [part for part in row if part.keep not in run.keep or not part.keep]
        remove = partial(_done, run)
        alone = len(wanted) < 2 or run.dry_run  # where they are listed, in order
        for done, problem in map(remove, wanted) if alone else side_by_side(remove, wanted, len(wanted)):
            changes += done
            problems += problem
    if problems:
        raise UnfinishedError("\n".join(problems), changes)
    changes.extend(forget(run))
    return changes


def _done(run: ResetRun, part: _Part) -> tuple[list[str], list[str]]:
    """What a part changed, before an error too, and the error."""
    changes: list[str] = []
    try:
        for change in part.remove(run):
            changes.append(change)  # noqa: PERF402 - what was done before an error counts, too
    except PykubeadmError as error:
        return changes, [str(error)]
    return changes, []


def _stop_kubelet(run: ResetRun) -> Iterator[str]:
    from pykubeadm.node.port import Unit

    yield from (f"{action} the kubelet" for action in run.node.ensure_unit(Unit("kubelet", enabled=None, state="stopped")))


cleanup_node: Phase[ResetRun] = Phase(
    name="cleanup-node",
    summary="Stop the kubelet and its pods, and remove what is the cluster's",
    apply=_apply,
    unchanged="nothing of a cluster is here",
    flags=("cert-dir", "cleanup-tmp-dir", "cri-socket", "dry-run", "keep"),
)
