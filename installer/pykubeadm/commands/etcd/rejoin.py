"""`etcd rejoin`: this control plane's member joins the etcd that there is now: after a restore or a recovery on another node, or
where its own data are lost."""

from __future__ import annotations

from copy import deepcopy
from functools import partial
from typing import TYPE_CHECKING

from pykubeadm.commands.etcd import restoring
from pykubeadm.commands.etcd.run import EtcdRun
from pykubeadm.errors import PhaseError
from pykubeadm.etcd.client import EtcdError
from pykubeadm.node.port import File
from pykubeadm.phases.etcd.manifest import data_directory, log_elsewhere, own_client
from pykubeadm.phases.static_pods.manifests import manifest_path
from pykubeadm.phases.static_pods.stopped import CONTROL_PLANE, EVERYTHING, is_stopped, start, stop, stopped_path
from pykubeadm.workflow.phase import Changes, Phase

if TYPE_CHECKING:
    from pykubeadm.etcd.client import Member
    from pykubeadm.phases.etcd.join import Joining
    from pykubeadm.util.kube_object import KubeObject


def _is_member(run: EtcdRun) -> str | None:
    """Asked before anything is stopped. A member that is in its place answers for itself, with a leader."""
    if is_stopped(run.node, "etcd"):
        return None
    client = own_client(run.node, run.manifest).at(run.manifest.client_urls)
    try:
        status, members = client.status(run.manifest.client_urls[0]), client.members()
    except EtcdError:
        return None
    votes = any(member.id == status.member_id and not member.learner for member in members)
    return "this node's member votes in an etcd that has a majority" if votes and status.leader else None


def _check_cluster(run: EtcdRun) -> None:
    """There has to be something to join before this node stops what it has."""
    from pykubeadm.errors import ApiError
    from pykubeadm.phases.etcd.members import etcd_client

    if _is_member(run) is not None:
        return
    if problem := log_elsewhere(run.manifest):
        raise PhaseError(problem)
    try:
        etcd_client(run).members()
    except (ApiError, EtcdError, PhaseError) as error:
        raise PhaseError(
            f"there is no etcd that this node could join: {error}; restore or recover it on another control plane first, or run "
            "`pykubeadm etcd start` to have this one as it was before `etcd stop`"
        ) from error


def _stop(run: EtcdRun) -> Changes:
    """A member that is in its place and does not answer cannot go on with its data: one that lost them begins with none under
    its former id, and ends when the leader sends it what follows."""
    from pykubeadm.phases.etcd.join import has_member_data, put_aside

    useless = not is_stopped(run.node, "etcd")
    changes = list(stop(run, EVERYTHING, "stop"))
    if useless and has_member_data(run, run.manifest.data_dir):
        changes += put_aside(run, run.manifest.data_dir)
    return changes


def _join(run: EtcdRun) -> Changes:
    from pykubeadm.phases.etcd.join import join_etcd

    return join_etcd(run, _joining(run))


def _joining(run: EtcdRun) -> Joining:
    from pykubeadm.phases.etcd.join import Joining

    return Joining("etcd-join", run.manifest.peer_urls[0], run.manifest.data_dir, partial(_start_etcd, run))


def _start_etcd(run: EtcdRun, members: tuple[Member, ...]) -> Changes:
    """Its own manifest, with the members that there are now."""
    from pykubeadm.etcd.membership import initial_cluster
    from pykubeadm.util.yaml_output import to_yaml

    pairs = initial_cluster(members, name=run.manifest.name, peer_url=run.manifest.peer_urls[0])
    content = to_yaml(_among(run.pod, ",".join(f"{name}={url}" for name, url in pairs))).encode()
    missing = data_directory(run.node, run.pod, run.manifest)
    run.node.write([*missing, File(manifest_path("etcd"), content, 0o600, replaces=True)])
    run.replaced["etcd"] = run.now()
    return ["started etcd"]


def _among(pod: KubeObject, members: str) -> KubeObject:
    """The manifest of a member that joins others."""
    changed = deepcopy(pod)
    for container in changed["spec"]["containers"]:
        words = [word for word in container.get("command") or () if not str(word).startswith("--initial-cluster")]
        words += [f"--initial-cluster={members}", "--initial-cluster-state=existing"]
        container["command"] = [*words[:1], *sorted(words[1:])]
    return changed


def _verify(run: EtcdRun) -> None:
    if run.node.stat(manifest_path("etcd")) is None:
        raise PhaseError(f"{manifest_path('etcd')} is gone")
    run.node.remove([stopped_path("etcd")])


def _start_control_plane(run: EtcdRun) -> Changes:
    changes = start(run, CONTROL_PLANE[::-1], "control-plane")
    restoring.finish(run.node)  # what an interrupted restore has kept here to go on with is of the past
    return changes


PHASES: tuple[Phase[EtcdRun], ...] = (
    Phase(name="check", summary="Look for the etcd to join", verify=_check_cluster),
    Phase(name="stop", summary="Stop the control plane and etcd on this node", check=_is_member, apply=_stop),
    Phase(
        name="etcd-join",
        summary="Add this node's etcd member to those that there are",
        check=_is_member,
        apply=_join,
        verify=_verify,
    ),
    Phase(name="control-plane", summary="Start the control plane", apply=_start_control_plane, unchanged="it was not stopped"),
)
