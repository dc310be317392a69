"""encryption: what is stored is written again, once all API servers write it in one way, and some of it is not written so yet.

So the last control plane does it; and whoever was killed at it continues with what is left.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from pykubeadm.commands.reconfigure.encryption.configuration import Encryption
from pykubeadm.commands.reconfigure.encryption.servers import encryption_flag, encryption_of, etcd_prefix, others
from pykubeadm.commands.reconfigure.encryption.stored import stored
from pykubeadm.commands.reconfigure.run import ReconfigureRun
from pykubeadm.config.section import DocumentError
from pykubeadm.errors import ApiError, PhaseError
from pykubeadm.kube.port import Api, ApiStatusError
from pykubeadm.phases.replacing.components import API_SERVER
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
    encryption, api, prefix = _encryption(run, pod), cluster_api(run), etcd_prefix(pod)
    _await_known(run, api, pod)
    if not encryption.resources:
        return ()
    if waits := _waits_for(run, api, encryption):
        run.note("info", f"what is stored is written again by the last control plane: {waits}", topic=encryption_phase.name)
        return ()
    client = reach(run.node, run.configuration).client
    changes, written = [], []
    for resource, names in _stale(client, prefix, encryption).items():
        if _rewrite(run, api, resource, names):
            written.append(resource)
            changes.append(f"wrote {len(names)} {resource} again, with {encryption.writer(resource)}")
    left = _stale(client, prefix, encryption) if written else {}
    if still := [resource for resource in written if resource in left]:
        raise PhaseError(f"not all of {', '.join(still)} are written with the first provider yet: run this again")
    return changes


def _encryption(run: ReconfigureRun, pod: Mapping[str, Any]) -> Encryption:
    try:
        return encryption_of(run, pod).encryption
    except DocumentError as error:
        raise PhaseError(str(error)) from error


def _await_known(run: ReconfigureRun, api: Api, pod: Mapping[str, Any]) -> None:
    """Until the cluster shows this API server's pod as it is: the other control planes go by that, and the kubelet takes its time
    to replace the mirror pod."""
    from pykubeadm.phases.replacing.waking import CONFIG_HASH, Waker
    from pykubeadm.phases.waiting import wait

    name, wakers = f"kube-apiserver-{run.node_name}", list[Waker]()

    def former() -> str | None:
        try:
            shown = api.get("v1", "Pod", name, "kube-system") or {"metadata": {}, "spec": {"containers": []}}
        except ApiError as error:
            return str(error)
        if encryption_flag(shown) == encryption_flag(pod):
            return None
        if not wakers:
            wakers.append(Waker(run, API_SERVER, str((shown["metadata"].get("annotations") or {}).get(CONFIG_HASH) or "")))
        wakers[0]()
        return "it still shows the former one"

    timeout = run.configuration.this_node.timeouts.upgrade_manifests
    wait(run, encryption_phase.name, {f"the cluster to show Pod {name}": former}, timeout)


def _waits_for(run: ReconfigureRun, api: Api, mine: Encryption) -> str:
    """Who has other first providers, "" where all API servers write as this one."""
    for pod in others(run, api):
        theirs = _encryption(run, pod)
        for resource in sorted(mine.resources | theirs.resources):
            if theirs.writer(resource) != mine.writer(resource):
                return f"that of {pod['spec']['nodeName']} writes {resource} with {theirs.writer(resource)}"
    return ""


def to_rewrite(run: ReconfigureRun, pod: Mapping[str, Any]) -> dict[str, int]:
    """How many objects are written otherwise than an API server with this pod writes them, by resource."""
    from pykubeadm.phases.etcd.reach import reach

    encryption = _encryption(run, pod)
    if not encryption.resources:
        return {}
    stale = _stale(reach(run.node, run.configuration).client, etcd_prefix(pod), encryption)
    return {resource: len(names) for resource, names in stale.items()}


def _stale(client: EtcdClient, prefix: str, encryption: Encryption) -> dict[str, list[str]]:
    """The objects that are not written as they are to be, by resource."""
    found: dict[str, list[str]] = {}
    for value in stored(client, prefix, encryption.resources):
        if value.writer != encryption.writer(value.resource):
            found.setdefault(value.resource, []).append(value.name)
    return dict(sorted(found.items()))


def _rewrite(run: ReconfigureRun, api: Api, resource: str, names: list[str]) -> bool:
    """False where that is left to the user."""
    from pykubeadm.kube.kinds import KINDS
    from pykubeadm.util.side_by_side import side_by_side

    plural, _, group = resource.partition(".")
    found = [kind for kind, (known, _) in KINDS.items() if known == plural and kind[0].rpartition("/")[0] == group]
    if not found:
        run.note(
            "warning",
            f"{len(names)} of {resource} are not written with the first provider yet: `kubectl get {resource} --all-namespaces "
            "--output=json | kubectl replace --filename=-` writes them again",
            topic=encryption_phase.name,
        )
        return False
    side_by_side(lambda name: _write_again(api, *found[0], name), names, api.connections)
    return True


def _write_again(api: Api, api_version: str, kind: str, place: str) -> None:
    """As it is: what was encrypted in another way is stored even though nothing in it changes (apiserver: etcd3/store.go,
    GuaranteedUpdate)."""
    from pykubeadm.kube.apply import retrying

    namespace, _, name = place.rpartition("/")

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
    summary="Re-encrypt stored objects whose encryption changed",
    apply=_apply,
    when=_is_control_plane,
    unchanged="nothing is to be written again",
    flags=("kubeconfig",),
)
