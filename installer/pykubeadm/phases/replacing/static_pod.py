"""Replaces one static pod of this node, certificates first, and waits until the new one does its work."""

from __future__ import annotations

import time
from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from pykubeadm.errors import ApiError, NodeError
from pykubeadm.node.port import File
from pykubeadm.phases.cluster.connection import cluster_api
from pykubeadm.phases.replacing.run import ReplacingRun
from pykubeadm.phases.replacing.waking import CONFIG_HASH, Waker
from pykubeadm.phases.static_pods.manifests import manifest_path
from pykubeadm.util.dataclass import dataclass
from pykubeadm.util.yaml_output import to_yaml

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pykubeadm.phases.certs.leaves import Leaf
    from pykubeadm.workflow.phase import Changes

PHASE: Final = "control-plane"
# While they are replaced, this node's API server, of which the kubelet would hear, is away.
_WITHOUT_API: Final = ("etcd", "kube-apiserver")


@dataclass(frozen=True, slots=True)
class Running:
    """The newest container of a static pod. `uid` is the pod's, which is another one for another manifest."""

    uid: str
    state: str  # the runtime's word: "running", "exited", …


def newest(run: ReplacingRun, name: str) -> Running | None:
    """By the container runtime; without crictl by the mirror pod, which is there while an API server is. None where there is
    none. Raises NodeError or ApiError where neither answers."""
    from pykubeadm.node.cri import Cri, CrictlMissingError
    from pykubeadm.node.diagnose import newest_container

    try:
        container = newest_container(Cri(run.node, _socket(run)).containers(), name)
    except CrictlMissingError:
        return _mirror(run, name)
    return Running(container.pod_uid, container.state) if container else None


def _mirror(run: ReplacingRun, name: str) -> Running | None:
    pod = cluster_api(run).get("v1", "Pod", f"{name}-{run.node_name}", "kube-system")
    if pod is None:
        return None
    statuses = (pod.get("status") or {}).get("containerStatuses") or [{}]
    state = next(iter(statuses[0].get("state") or {}), "waiting")
    return Running(str((pod["metadata"].get("annotations") or {}).get(CONFIG_HASH) or ""), state)


def pod_uid(run: ReplacingRun, name: str) -> str:
    """Of the pod that runs, or ran last; "" where there is none."""
    found = newest(run, name)
    return found.uid if found else ""


def renew_certificates(run: ReplacingRun, leaves: Sequence[Leaf]) -> Changes:
    from pykubeadm.phases.certs.renew import renew

    return [change for leaf in leaves for change in renew(run, leaf)]


def write_manifests(run: ReplacingRun, pods: Mapping[str, Mapping[str, Any]]) -> None:
    """Those of the components with these names."""
    place_manifests(run, {name: to_yaml(pod).encode() for name, pod in pods.items()})


def place_manifests(run: ReplacingRun, contents: Mapping[str, bytes]) -> bool:
    """Whether that changed one. Those that are there keep their mode and owner."""
    files = [_file(run, manifest_path(name), content) for name, content in contents.items()]
    if any(name in _WITHOUT_API and run.node.read(manifest_path(name)) != content for name, content in contents.items()):
        _end_api_server(run)
    run.replaced.update(dict.fromkeys(contents, run.now()))
    return bool(run.node.write(files))


def _file(run: ReplacingRun, path: str, content: bytes) -> File:
    stat = run.node.stat(path)
    mode, uid, gid = (stat.mode, stat.uid, stat.gid) if stat and stat.kind == "file" else (0o600, 0, 0)
    return File(path, content, mode, uid, gid, replaces=True)


def _end_api_server(run: ReplacingRun) -> None:
    """With five seconds for requests that are under way, so that the API is gone for less time: an API server with open watches
    uses up the 30 seconds that the kubelet gives it; one that has just lost its etcd does not answer the kubelet, which deletes
    the former etcd's mirror pod before it starts the new one. The kubelet starts it again."""
    from pykubeadm.node.cri import Cri
    from pykubeadm.node.diagnose import newest_container

    cri = Cri(run.node, _socket(run))
    try:
        container = newest_container(cri.containers(), "kube-apiserver")
        if container is not None and container.state == "running":
            cri.stop(container)
    except NodeError as error:
        run.note("info", f"kube-apiserver was not ended beforehand, so that the API is gone for longer: {error}", topic=PHASE)


def await_component(run: ReplacingRun, name: str, former: str) -> None:
    """Until `name` runs as another pod than that with the UID `former`, and is ready on this node. PhaseError says why not: the
    image, a flag, the last line of its log. Where the kubelet keeps the pod for a minute, to it the manifest is that pod's: it
    compares with defaults filled in, and never saw what was put back at once."""
    from pykubeadm.phases.waiting import wait

    if run.dry_run:
        return
    timeout = run.configuration.this_node.timeouts.upgrade_manifests
    waker = None if name in _WITHOUT_API else Waker(run, name, former)
    look = partial(_look, run, name, former, waker, time.monotonic())
    wait(run, PHASE, {name: look}, timeout, components=(name,), former={name: former})


def await_ready(run: ReplacingRun, name: str, needs: Sequence[str]) -> None:
    """Until `name`, which was not replaced, is ready again; `needs` was. PhaseError says why not."""
    from pykubeadm.phases.static_pods.restart import component_health
    from pykubeadm.phases.waiting import wait

    if run.dry_run:
        return
    timeout = run.configuration.this_node.timeouts.upgrade_manifests
    wait(run, PHASE, {name: component_health(run, name)}, timeout, components=(*needs, name))


def _look(run: ReplacingRun, name: str, former: str, waker: Waker | None, began: float) -> str | None:
    """What costs little is asked first: while a component stops and starts, the runtime is left alone."""
    from pykubeadm.phases.static_pods.restart import STARTED_WITHIN, component_health

    if waker:
        waker()
    reason = component_health(run, name)()
    if reason is not None:
        return reason
    try:
        found = newest(run, name)
    except (ApiError, NodeError) as error:
        return str(error)
    waited = time.monotonic() - began >= STARTED_WITHIN.total_seconds()
    if found is None or (found.uid == former and not (waited and _kubelet_runs(run))):
        return "the kubelet has not replaced it yet"
    return None if found.state == "running" else f"its container is {found.state}"


def _kubelet_runs(run: ReplacingRun) -> bool:
    return run.node.unit("kubelet").active == "active"


def _socket(run: ReplacingRun) -> str:
    return run.configuration.this_node.node_registration.cri_socket
