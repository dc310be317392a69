"""What may explain a row that failed: the states of its pods, the warnings of its events, the last lines of its logs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from typing import Final

from pykubeadm.commands.verify.trial import ROW_LABEL, Trial
from pykubeadm.errors import ApiError
from pykubeadm.kube.pod_state import restarts, why_not_ready
from pykubeadm.util.kube_object import KubeObject

_PODS: Final = 3
_EVENTS: Final = 4
_LOG_LINES: Final = 5
_WIDTH: Final = 300


def evidence(trial: Trial) -> tuple[str, ...]:
    """Lines for people; () where the cluster does not say anything any more."""
    lines: list[str] = []
    with suppress(ApiError):
        lines += _of_pods(trial)
    with suppress(ApiError):
        lines += _of_events(trial)
    return tuple(line if len(line) <= _WIDTH else f"{line[:_WIDTH]}…" for line in lines)


def _of_pods(trial: Trial) -> Iterator[str]:
    pods = trial.cluster.api.list("v1", "Pod", trial.namespace, labels={ROW_LABEL: trial.row})
    pods.sort(key=lambda pod: why_not_ready(pod) is None)
    for pod in pods[:_PODS]:
        where = (pod.get("spec") or {}).get("nodeName") or "no node"
        again = f", restarted {times} times" if (times := restarts(pod)) else ""
        yield f"Pod {pod['metadata']['name']} on {where}: {why_not_ready(pod) or 'ready'}{again}"
        yield from _log(trial, pod)


def _log(trial: Trial, pod: KubeObject) -> Iterator[str]:
    if why_not_ready(pod) is None or not (pod.get("status") or {}).get("containerStatuses"):
        return
    with suppress(ApiError):
        container = pod["spec"]["containers"][0]["name"]
        said = trial.cluster.streams.logs(trial.namespace, pod["metadata"]["name"], container, lines=_LOG_LINES)
        for line in said.splitlines():
            yield f"  log: {line}"


def _of_events(trial: Trial) -> Iterator[str]:
    """Events do not bear the label, so the name of what they are about counts."""
    events = [
        event
        for event in trial.cluster.api.list("v1", "Event", trial.namespace)
        if event.get("type") == "Warning" and str((event.get("involvedObject") or {}).get("name", "")).startswith(trial.row)
    ]
    said = {f"event {event.get('reason')}: {str(event.get('message') or '').strip()}": None for event in events}
    yield from list(said)[-_EVENTS:]
