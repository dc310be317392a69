"""encryption: what is stored is written again, once all API servers write it in one way, and some of it is not written so yet.

So the last control plane does it; and whoever was killed at it goes on with what is left.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from pykubeadm.commands.reconfigure.encryption.configuration import Encryption, writer_of
from pykubeadm.commands.reconfigure.encryption.servers import encryption_of, etcd_prefix, others
from pykubeadm.commands.reconfigure.encryption.stored import values
from pykubeadm.commands.reconfigure.run import ReconfigureRun
from pykubeadm.config.section import DocumentError
from pykubeadm.errors import PhaseError
from pykubeadm.kube.port import Api, ApiStatusError
from pykubeadm.workflow.phase import Changes, Phase

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pykubeadm.etcd.client import EtcdClient

_CONFLICT: Final = 409  # somebody wrote it meanwhile, which is what was to be done


def _is_control_plane(run: ReconfigureRun) -> bool:
    return run.is_control_plane


def _apply(run: ReconfigureRun) -> Changes:
    from pykubeadm.phases.cluster.connection import cluster_api
    from pykubeadm.phases.etcd.reach import reach
    from pykubeadm.phases.static_pods.manifests import read_static_pod

    pod = read_static_pod(run.node, "kube-apiserver")
    if pod is None:
        return ()
    encryption = _encryption(run, pod)
    if not encryption.resources:
        return ()
    api = cluster_api(run)
    client = reach(run.node, run.configuration).client
    changes = []
    for resource in sorted(encryption.resources):
        if waits := _waits_for(run, api, encryption, resource):
            run.note("info", f"{resource} are written again by the last control plane: {waits}", topic=encryption_phase.name)
            continue
        stale = _stale(client, etcd_prefix(pod), resource, encryption)
        if not stale:
            continue
        number = _rewrite(run, api, resource, stale)
        left = _stale(client, etcd_prefix(pod), resource, encryption)
        if number and left:
            raise PhaseError(
                f"{len(left)} of {resource} are still not written with {encryption.writer(resource)}: run this again"
            )
        changes += [f"wrote {number} {resource} again, with {encryption.writer(resource)}"] if number else []
    return changes


def _encryption(run: ReconfigureRun, pod: Mapping[str, Any]) -> Encryption:
    try:
        return encryption_of(run, pod).encryption
    except DocumentError as error:
        raise PhaseError(str(error)) from error


def _waits_for(run: ReconfigureRun, api: Api, mine: Encryption, resource: str) -> str:
    """Who writes otherwise, "" where all API servers write as this one."""
    for pod in others(run, api):
        theirs = _encryption(run, pod)
        if theirs.writer(resource) != mine.writer(resource):
            return f"that of {pod['spec']['nodeName']} writes with {theirs.writer(resource)}"
    return ""


def _stale(client: EtcdClient, prefix: str, resource: str, encryption: Encryption) -> list[str]:
    wanted = encryption.writer(resource)
    return [key for key, value in values(client, prefix, resource) if writer_of(value) != wanted]


def _rewrite(run: ReconfigureRun, api: Api, resource: str, keys: list[str]) -> int:
    """How many were written; 0 where that is left to the user."""
    from pykubeadm.kube.kinds import KINDS
    from pykubeadm.util.side_by_side import side_by_side

    name, _, group = resource.partition(".")
    kind = next((kind for kind, (plural, _) in KINDS.items() if plural == name and kind[0].rpartition("/")[0] == group), None)
    if kind is None:
        run.note(
            "warning",
            f"{len(keys)} of {resource} are not written with the first provider yet: `kubectl get {resource} --all-namespaces "
            "--output=json | kubectl replace --filename=-` writes them again",
            topic=encryption_phase.name,
        )
        return 0
    side_by_side(lambda key: _write_again(api, *kind, key), keys, api.connections)
    return len(keys)


def _write_again(api: Api, api_version: str, kind: str, key: str) -> None:
    """As it is: what was encrypted in another way is stored even though nothing in it changes (apiserver: etcd3/store.go,
    GuaranteedUpdate)."""
    from pykubeadm.kube.apply import retrying

    namespace, _, name = key.rpartition("/")

    def once() -> None:
        found = api.get(api_version, kind, name, namespace)
        if found is None:
            return
        try:
            api.replace(found)
        except ApiStatusError as error:
            if error.code != _CONFLICT:
                raise

    retrying(once, api.call_timeout, settling=False)


encryption_phase: Phase[ReconfigureRun] = Phase(
    name="encryption",
    summary="Write again what is stored, where its encryption changed",
    apply=_apply,
    when=_is_control_plane,
    unchanged="nothing is to be written again",
    flags=("kubeconfig",),
)
