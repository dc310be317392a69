"""What a run would change, found out by making it on a node and a cluster that only keep what is written."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Final, TypeVar

from pykubeadm.errors import PhaseError
from pykubeadm.kube.port import title
from pykubeadm.kube.recording import RecordingApi, masked
from pykubeadm.patches.three_way import without_served
from pykubeadm.phases.replacing.components import components, decoded
from pykubeadm.phases.replacing.pods_before import looking
from pykubeadm.phases.replacing.run import ReplacingRun
from pykubeadm.phases.static_pods.manifests import manifest_path
from pykubeadm.util.dataclass import dataclass
from pykubeadm.util.differences import unified
from pykubeadm.util.yaml_output import to_yaml
from pykubeadm.workflow.phase import Phase, steps

if TYPE_CHECKING:
    from pykubeadm.kube.port import Api
    from pykubeadm.node.port import Node
    from pykubeadm.util.kube_object import KubeObject

_SERVERS_OWN: Final = ("generation",)
R = TypeVar("R", bound=ReplacingRun)


@dataclass(frozen=True, slots=True)
class Difference:
    """What a run changes in a file or object: `what` names it, `text` is the unified diff."""

    what: str
    text: str


def differences(
    run: R,
    *,
    files: Sequence[str],
    of_node: Sequence[Phase[R]],
    of_cluster: Sequence[Phase[R]],
    rehearsing: Callable[[], Api],
    context: int,
    static_pods: bool = True,
) -> Iterator[Difference]:
    """In a fixed order: `static_pods`, those of `files` that the phases `of_node` write, what those `of_cluster` write.
    `rehearsing` gives the API server that stores nothing. PhaseError where something cannot be changed."""
    trial = looking(run)
    for component in components(trial) if static_pods and run.is_control_plane else ():
        before, after = (to_yaml(decoded(pod)) for pod in (component.former, component.wanted))
        yield from _difference(manifest_path(component.name), before, after, run.target, context)
    api = RecordingApi(rehearsing(), _silent)
    trial = replace(trial, api=api)
    _perform(trial, of_node)
    for path in files:
        yield from _difference(path, _text(run.node, path), _text(trial.node, path), run.target, context)
    _perform(trial, of_cluster)
    if run.api is None:
        raise PhaseError("there is no connection to the cluster")
    for wanted in api.written:
        yield from _difference(title(wanted), *_shown(_live(run.api, wanted), wanted), run.target, context)


def _perform(run: R, phases: Sequence[Phase[R]]) -> None:
    for step in steps(phases):
        phase = step.phase
        if phase.when(run) and phase.apply and not (phase.check and phase.check(run)):
            phase.apply(run)


def _difference(what: str, before: str, after: str, version: str, context: int) -> Iterator[Difference]:
    if text := unified(before, after, what, f"{what} ({version})", context):
        yield Difference(what, text)


def _text(node: Node, path: str) -> str:
    return (node.read(path) or b"").decode(errors="replace")


def _live(api: Api, wanted: KubeObject) -> KubeObject | None:
    metadata = wanted["metadata"]
    return api.get(wanted["apiVersion"], wanted["kind"], metadata["name"], metadata.get("namespace", ""))


def _shown(live: KubeObject | None, wanted: KubeObject) -> tuple[str, str]:
    """Without what the API server writes by itself."""
    after = _plain(wanted)
    return "" if live is None else to_yaml(without_served(after, _plain(live))), to_yaml(after)


def _plain(document: KubeObject) -> KubeObject:
    shown = masked(document)
    return shown | {"metadata": {name: value for name, value in shown["metadata"].items() if name not in _SERVERS_OWN}}


def _silent(_text: str) -> None:
    """What would be written is shown as a difference."""
