"""`node drain`: a node's pods go elsewhere, and none comes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pykubeadm.phases.cluster.drain import drain as drain_node
from pykubeadm.phases.cluster.drain_timeout import drain_timeout
from pykubeadm.workflow.events import Note, Result, Waiting

if TYPE_CHECKING:
    from pykubeadm.kube.port import Api
    from pykubeadm.workflow.events import Subscriber


def drain(name: str, options: Mapping[str, Any], api: Api, emit: Subscriber) -> None:
    """Cordon the node and evict its pods. PhaseError, before anything is changed, with the pods that must not be evicted and why,
    or after the timeout with those that are left and why."""

    def report(reason: str) -> None:
        emit(Waiting(phase="drain", target=f"node {name} to be empty", reason=reason))

    timeout = drain_timeout(options.get("drain_timeout"))
    changes = drain_node(api, name, timeout, delete_emptydir_data=bool(options.get("delete_emptydir_data")), report=report)
    for change in changes:
        emit(Note(level="info", topic="drain", message=change))
    text = f"{name} is drained: no pods come to it until `kubectl uncordon {name}`"
    emit(Result(name="drained", text=text, data={"node": name}))
