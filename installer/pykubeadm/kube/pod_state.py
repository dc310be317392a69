"""What a Pod or Node says of itself, in words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

# Reasons of waiting containers that do not pass while one waits (kubernetes: pkg/kubelet/images/types.go, kuberuntime).
_LASTING = frozenset({"ImagePullBackOff", "ErrImageNeverPull", "InvalidImageName", "CreateContainerConfigError"})


def is_ready(document: Mapping[str, Any]) -> bool:
    """Of a Node or Pod."""
    conditions = (document.get("status") or {}).get("conditions") or ()
    return any(condition["type"] == "Ready" and condition["status"] == "True" for condition in conditions)


def why_not_ready(pod: Mapping[str, Any]) -> str | None:
    """What keeps a pod, None where it is ready."""
    if is_ready(pod):
        return None
    status = pod.get("status") or {}
    if status.get("phase") == "Succeeded":
        return "it has succeeded"
    for container, state in _container_states(pod):
        if (what := state.get("waiting")) and what.get("reason") not in (None, "PodInitializing", "ContainerCreating"):
            return _words(f"container {container} waits", what)
        if (what := state.get("terminated")) and what.get("exitCode"):
            return _words(f"container {container} ended with status {what['exitCode']}", what)
    for condition in status.get("conditions") or ():
        if condition.get("status") == "False" and condition["type"] in ("PodScheduled", "Ready") and condition.get("message"):
            return str(condition["message"])
    if not (pod.get("spec") or {}).get("nodeName"):
        return "no node was given to it: is kube-scheduler running?"
    return f"it is {status.get('phase', 'of no phase')}, and the kubelet of {pod['spec']['nodeName']} does not say why"


def lasting_obstacle(pod: Mapping[str, Any]) -> str | None:
    """Why waiting longer for a pod is no use; None where it may be."""
    for container, state in _container_states(pod):
        if (what := state.get("waiting")) and what.get("reason") in _LASTING:
            return _words(f"container {container} waits", what)
    return None


def restarts(pod: Mapping[str, Any]) -> int:
    """How often containers of the pod were started again."""
    return sum(int(each.get("restartCount") or 0) for each in (pod.get("status") or {}).get("containerStatuses") or ())


def _container_states(pod: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    status = pod.get("status") or {}
    for kind in ("initContainerStatuses", "containerStatuses"):
        for each in status.get(kind) or ():
            yield each["name"], each.get("state") or {}


def _words(what: str, state: Mapping[str, Any]) -> str:
    reason, message = state.get("reason"), str(state.get("message") or "").strip()
    return what + (f" ({reason})" if reason else "") + (f": {message}" if message else "")
