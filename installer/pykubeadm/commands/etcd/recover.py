"""`etcd recover`: the majority is lost, and this node's member goes on alone with the data that it has.

Without a majority a member still gives away its database. It is kept as an archive, and restored as any other: the new etcd has
another id, and revisions that nobody has seen.
"""

from __future__ import annotations

from dataclasses import replace

from pykubeadm.commands.etcd import restoring
from pykubeadm.commands.etcd.checks import look_at_snapshot, still_running, under_way
from pykubeadm.commands.etcd.restore import RESTORE
from pykubeadm.commands.etcd.run import EtcdRun
from pykubeadm.commands.etcd.save import ArchiveSource, keep_archive
from pykubeadm.errors import PreflightError
from pykubeadm.etcd.client import EtcdClient, EtcdError
from pykubeadm.etcd.encryption import Encryption
from pykubeadm.phases.etcd.manifest import log_elsewhere, own_client
from pykubeadm.workflow.phase import Changes, Phase


def _client(run: EtcdRun) -> EtcdClient:
    return own_client(run.node, run.manifest).at(run.manifest.client_urls)


def _kept(run: EtcdRun) -> str | None:
    """Where an earlier run that was interrupted keeps the archive, that is what is restored: by now the member may be gone."""
    record = under_way(run)
    if record is None or not record.place:
        return None
    run.given = replace(run.given, name=record.place)
    run.archive = look_at_snapshot(run)
    return f"an earlier run kept it as {record.place}"


def _check(run: EtcdRun) -> None:
    if _kept(run) is not None:
        return
    problems = [*filter(None, [log_elsewhere(run.manifest)]), *still_running(run)]
    try:
        _client(run).status(run.manifest.client_urls[0])
    except EtcdError as error:
        problems.append(
            f"this node's member does not answer ({error}), so its data cannot be read: make sure that the kubelet runs "
            "(`systemctl start kubelet`), or restore a snapshot (`pykubeadm etcd snapshot restore`)"
        )
    else:
        if names := _majority(run):
            what = f"etcd has its majority ({names}), so there is nothing to recover"
            problems = [f"{what}; members that are dead are removed with `pykubeadm node remove NAME`"]
    if problems:
        raise PreflightError("\n".join(["nothing was changed:", *(f"- {problem}" for problem in problems)]))


def _majority(run: EtcdRun) -> str:
    try:
        return ", ".join(member.name for member in _client(run).members())
    except EtcdError:
        return ""


def _snapshot(run: EtcdRun) -> Changes:
    client, endpoint = _client(run), run.manifest.client_urls[0]
    run.store.require_space(client.status(endpoint).db_size)
    saved, _origin = keep_archive(ArchiveSource(run.node, run.configuration, client, endpoint, run.store, run.emit, Encryption()))
    run.given = replace(run.given, name=run.store.place(saved.name))
    run.archive = look_at_snapshot(run)
    restoring.write(run.node, restoring.Restoring(run.archive.sha256, run.given.name))
    return [f"kept what this member has as {run.given.name}"]


PHASES: tuple[Phase[EtcdRun], ...] = (
    Phase(name="check", summary="Check that etcd has no majority, and that no other member runs", verify=_check),
    Phase(name="snapshot", summary="Keep what this member has", check=_kept, apply=_snapshot),
    *RESTORE,
)
