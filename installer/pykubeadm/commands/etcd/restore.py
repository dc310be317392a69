"""The phases of `etcd snapshot restore` and `etcd recover`: this node's member begins a new etcd with the data of a snapshot.

The new cluster has another id, so that members of the former one cannot speak to it; its revisions go on above all that were ever
seen, and watches of before end (https://etcd.io/docs/v3.6/op-guide/recovery/). The former data stay beside the new ones.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pykubeadm.commands.etcd import restoring
from pykubeadm.commands.etcd.checks import encryption_differs, look_at_snapshot, require_restorable, under_way
from pykubeadm.commands.etcd.others import other_hosts
from pykubeadm.commands.etcd.run import EtcdRun
from pykubeadm.node.port import Directory, File
from pykubeadm.phases.static_pods.stopped import CONTROL_PLANE, EVERYTHING, start, stop
from pykubeadm.workflow.phase import Changes, Phase

if TYPE_CHECKING:
    from pykubeadm.util.kube_object import KubeObject


def _begun(run: EtcdRun) -> restoring.Restoring | None:
    """What an earlier run has done with the same snapshot."""
    record = under_way(run)
    return record if record is not None and run.archive is not None and record.sha256 == run.archive.sha256 else None


def _has_data(run: EtcdRun) -> str | None:
    record = _begun(run)
    if record is None or not record.has_data:
        return None
    return "an earlier run has put the snapshot's data in place (once the API server runs, --force does so again)"


def _check_snapshot(run: EtcdRun) -> None:
    run.archive = look_at_snapshot(run)
    if _has_data(run) is None:
        require_restorable(run)
        if path := encryption_differs(run, run.node):
            run.note(
                "warning",
                f"{path} is not what it was when the snapshot was taken; if objects cannot be read afterwards, put back the one "
                "in the archive and restart the API server",
                topic="check",
            )


def _stop(run: EtcdRun) -> Changes:
    assert run.archive is not None  # noqa: S101
    record = restoring.read(run.node)
    place = record.place if record is not None and record.sha256 == run.archive.sha256 else ""
    restoring.write(run.node, restoring.Restoring(run.archive.sha256, place))
    return stop(run, EVERYTHING, "stop")


def _restore(run: EtcdRun) -> Changes:
    from pykubeadm.etcd.archive import database_chunks
    from pykubeadm.phases.etcd.manifest import data_directory
    from pykubeadm.phases.etcd.restore import restore_snapshot

    assert run.archive is not None  # noqa: S101
    run.node.write([Directory(restoring.DIRECTORY, 0o700), *data_directory(run.node, run.pod, run.manifest)])
    with run.given.opened() as file:
        run.node.save(restoring.SNAPSHOT, database_chunks(file, run.archive), 0o600)
    aside = restore_snapshot(run, run.pod, restoring.SNAPSHOT, "restore")
    restoring.with_data(run.node, aside)
    changes = [f"put the data of revision {run.archive.contents.revision} in place"]
    return [*changes, f"kept the former data in {aside}"] if aside else changes


def _start_etcd(run: EtcdRun) -> Changes:
    from pykubeadm.phases.static_pods.stopped import stopped_path
    from pykubeadm.util.yaml_output import to_yaml

    if run.node.stat(stopped_path("etcd")) is not None:
        content = to_yaml(alone(run.pod, run.manifest.name, run.manifest.peer_urls)).encode()
        run.node.write([File(stopped_path("etcd"), content, 0o600, replaces=True)])
    return start(run, ("etcd",), "etcd")


def alone(pod: KubeObject, name: str, peer_urls: tuple[str, ...]) -> KubeObject:
    """The member's manifest, where it is the only one."""
    from copy import deepcopy

    changed = deepcopy(pod)
    for container in changed["spec"]["containers"]:
        words = [word for word in container.get("command") or () if not str(word).startswith("--initial-cluster-state=")]
        members = "--initial-cluster=" + ",".join(f"{name}={url}" for url in peer_urls)
        container["command"] = [members if str(word).startswith("--initial-cluster=") else word for word in words]
    return changed


def _verify_etcd(run: EtcdRun) -> None:
    from pykubeadm.errors import PhaseError
    from pykubeadm.phases.etcd.manifest import own_client
    from pykubeadm.phases.etcd.members import members_of

    client = own_client(run.node, run.manifest).at(run.manifest.client_urls)
    members = members_of(run, "etcd", client)
    revision = client.status(run.manifest.client_urls[0]).revision
    before = run.archive.contents.revision if run.archive else 0
    if len(members) != 1 or revision <= before:
        raise PhaseError(
            f"etcd runs, but is not what was restored: members {', '.join(map(str, members))}, revision {revision} (the "
            f"snapshot's is {before})"
        )


def _start_control_plane(run: EtcdRun) -> Changes:
    return start(run, CONTROL_PLANE[::-1], "control-plane")


def _finish(run: EtcdRun) -> Changes:
    others = sorted(set(other_hosts(run).values()))
    record = restoring.read(run.node)
    restoring.finish(run.node)
    text = f"The cluster has what it had at revision {run.archive.contents.revision if run.archive else 0}."
    if others:
        text += (
            f"\nThis node's etcd is its only member now. On each other control plane that is to stay ({', '.join(others)}), run "
            "`pykubeadm etcd rejoin`; remove the others with `pykubeadm node remove NAME`."
        )
    if record is not None and record.aside:
        text += f"\nThe former data are kept in {record.aside}: remove them once all is well."
    run.result("restored", text, aside=record.aside if record else "", others=",".join(others))
    return []


CHECK: Phase[EtcdRun] = Phase(
    name="check", summary="Check the snapshot, and that nothing would be overwritten", verify=_check_snapshot
)
RESTORE: tuple[Phase[EtcdRun], ...] = (
    Phase(name="stop", summary="Stop the control plane and etcd on this node", check=_has_data, apply=_stop),
    Phase(name="restore", summary="Turn the snapshot into a database", check=_has_data, apply=_restore),
    Phase(name="etcd", summary="Start etcd with it, as its only member", apply=_start_etcd, verify=_verify_etcd),
    Phase(name="control-plane", summary="Start the control plane", apply=_start_control_plane),
    Phase(name="finish", summary="Report what is left to do", apply=_finish),
)
PHASES: tuple[Phase[EtcdRun], ...] = (CHECK, *RESTORE)
