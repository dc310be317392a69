"""Replaces one static pod of this node, certificates first, and waits until the new one does its work."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from pykubeadm.commands.upgrade.run import UpgradeRun
from pykubeadm.node.port import File
from pykubeadm.phases.static_pods.manifests import manifest_path
from pykubeadm.util.yaml_output import to_yaml

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pykubeadm.phases.certs.leaves import Leaf
    from pykubeadm.workflow.phase import Changes

PHASE = "control-plane"


def pod_uid(run: UpgradeRun, name: str) -> str:
    """Of the static pod whose container is the newest of `name`: another manifest gives another one. "" where there is none, or
    nothing to ask with."""
    from pykubeadm.node.cri import Cri, CrictlMissingError
    from pykubeadm.node.diagnose import newest_container

    try:
        container = newest_container(Cri(run.node, _socket(run)).containers(), name)
    except CrictlMissingError:
        return ""
    return container.pod_uid if container else ""


def renew_certificates(run: UpgradeRun, leaves: Sequence[Leaf]) -> Changes:
    from pykubeadm.phases.certs.renew import renew

    return [change for leaf in leaves for change in renew(run, leaf)]


def write_manifest(run: UpgradeRun, name: str, pod: Mapping[str, Any]) -> None:
    place_manifest(run, name, to_yaml(pod).encode())


def place_manifest(run: UpgradeRun, name: str, content: bytes) -> bool:
    """Whether that changed it. One that is there keeps its mode and owner."""
    path = manifest_path(name)
    stat = run.node.stat(path)
    mode, uid, gid = (stat.mode, stat.uid, stat.gid) if stat and stat.kind == "file" else (0o600, 0, 0)
    run.replaced[name] = run.now()
    return bool(run.node.write([File(path, content, mode, uid, gid, replaces=True)]))


def await_component(run: UpgradeRun, name: str, former: str) -> None:
    """Until `name` runs as another pod than that with the UID `former`, and is ready on this node. PhaseError says why not: the
    image, a flag, the last line of its log."""
    from pykubeadm.phases.waiting import wait

    if run.dry_run:
        return
    timeout = run.configuration.this_node.timeouts.upgrade_manifests
    wait(run, PHASE, {name: partial(_look, run, name, former)}, timeout, components=(name,))


def _look(run: UpgradeRun, name: str, former: str) -> str | None:
    """What costs little is asked first: while a component stops and starts, the runtime is left alone."""
    from pykubeadm.errors import NodeError
    from pykubeadm.node.cri import Cri, CrictlMissingError
    from pykubeadm.node.diagnose import newest_container
    from pykubeadm.phases.static_pods.restart import component_health

    reason = component_health(run, name)()
    if reason is not None:
        return reason
    try:
        container = newest_container(Cri(run.node, _socket(run)).containers(), name)
    except CrictlMissingError:
        return None
    except NodeError as error:
        return str(error)
    if container is None or container.pod_uid == former:
        return "the kubelet has not replaced it yet"
    return None if container.state == "running" else f"its container is {container.state}"


def _socket(run: UpgradeRun) -> str:
    return run.configuration.this_node.node_registration.cri_socket
