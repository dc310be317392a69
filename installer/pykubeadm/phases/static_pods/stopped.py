"""Static pods that are taken away for a while: their manifests wait in a directory of ours, and come back from there."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import suppress
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Final

from pykubeadm.constants import MANIFESTS_DIR, STATE_DIR
from pykubeadm.errors import NodeError, PhaseError
from pykubeadm.node.port import Directory, File
from pykubeadm.phases.static_pods.manifests import manifest_path
from pykubeadm.phases.static_pods.restart import component_health, end_components, healthy_again, require_kubelet
from pykubeadm.phases.waiting import wait

if TYPE_CHECKING:
    from pykubeadm.node.port import Node
    from pykubeadm.phases.run import ClusterRun
    from pykubeadm.workflow.phase import Changes

DIRECTORY: Final = f"{STATE_DIR}/stopped"
# Who uses another comes before it.
API_SERVER: Final = "kube-apiserver"
CONTROL_PLANE: Final = ("kube-scheduler", "kube-controller-manager", API_SERVER)
EVERYTHING: Final = (*CONTROL_PLANE, "etcd")
_STOPS_WITHIN: Final = timedelta(minutes=3)
# Seconds: it looks at manifests every 20 and gives a pod 30. A kubelet that has just been started ends no pod before it has heard
# of all its pods from an API server, which is gone by then.
_KUBELET_ENDS_WITHIN: Final = 60.0


def stopped_path(name: str) -> str:
    """Where the manifest of a component waits."""
    return f"{DIRECTORY}/{name}.yaml"


def is_stopped(node: Node, name: str) -> bool:
    """Whether a component was stopped by us and not started since."""
    return node.stat(stopped_path(name)) is not None and node.stat(manifest_path(name)) is None


def manifest_content(node: Node, name: str) -> bytes | None:
    """The manifest of a component that runs or is stopped; None where there is none."""
    content = node.read(manifest_path(name))
    return node.read(stopped_path(name)) if content is None else content


def stop(run: ClusterRun, names: Sequence[str], phase: str) -> Changes:
    """Take the manifests away and wait until the components have ended. PhaseError where one does not end, and where there is no
    kubelet to end it."""
    node = run.node
    require_kubelet(node)
    found = [(name, content) for name in names if (content := node.read(manifest_path(name))) is not None]
    if found:
        copies = [File(stopped_path(name), content, 0o600, replaces=True) for name, content in found]
        node.write([Directory(DIRECTORY, 0o700), *copies])
        node.remove([manifest_path(name) for name, _content in found])
    if not node.dry_run:
        _hurry(run, names, [name for name, _content in found])
        overdue = time.monotonic() + _KUBELET_ENDS_WITHIN
        targets = {f"{name} to end": partial(_running, run, name, overdue) for name in names}
        wait(run, phase, targets, _STOPS_WITHIN, components=())
    return [f"stopped {name}" for name, _content in found]


def start(run: ClusterRun, names: Sequence[str], phase: str, *, await_health: bool = True) -> Changes:
    """Put the manifests of what is stopped back, one after the other as each is healthy. PhaseError where one is not in time."""
    changes = []
    for name in names:
        content = run.node.read(stopped_path(name))
        if content is None:
            continue
        if run.node.read(manifest_path(name)) is None:
            run.node.write([File(manifest_path(name), content, 0o600, replaces=True)])
            run.replaced[name] = run.now()
            changes.append(f"started {name}")
        if await_health:
            await_healthy(run, name, phase)
        run.node.remove([stopped_path(name)])
    return changes


def await_healthy(run: ClusterRun, name: str, phase: str) -> None:
    """Wait for a component whose manifest was just written."""
    if run.node.dry_run:
        return
    timeout = run.configuration.this_node.timeouts.upgrade_manifests
    healthy = component_health(run, name)
    wait(run, phase, {name: partial(healthy_again, run, name, healthy)}, timeout, components=(name,))


def require_manifests(node: Node, names: Sequence[str]) -> None:
    """PhaseError where there is a component without a manifest, in place or stopped."""
    missing = [name for name in names if manifest_content(node, name) is None]
    if missing:
        raise PhaseError(
            f"there is no manifest of {', '.join(missing)} in {MANIFESTS_DIR}: this node has no member of etcd; "
            "run this on one, or make it one first (`pykubeadm init` or `join --control-plane`)"
        )


def _hurry(run: ClusterRun, names: Sequence[str], taken: Sequence[str]) -> None:
    """End what is not to be left to the kubelet: the API server, which takes all of its 30 seconds where watches are open, and is
    not to be used any more; and what is not among those whose manifests were `taken` away now: an earlier run took them, and a
    kubelet that was started since ends no pods that it does not know."""
    for name in names:
        if name == API_SERVER or name not in taken:
            with suppress(NodeError):  # it has ended meanwhile
                end_components(run, [name])


def _running(run: ClusterRun, name: str, overdue: float) -> str | None:
    """Why it has not ended. From the time `overdue` on (monotonic) it is not left to the kubelet any longer."""
    from pykubeadm.node.cri import Cri

    cri = Cri(run.node, run.configuration.this_node.node_registration.cri_socket)
    try:
        alive = [each for each in cri.containers() if (each.name, each.namespace, each.state) == (name, "kube-system", "running")]
    except NodeError as error:
        return str(error)
    if alive and time.monotonic() >= overdue:
        with suppress(NodeError):
            end_components(run, [name])
    return "it still runs" if alive else None
