"""`upgrade diff`: what an upgrade would change, found out by making it on a node and a cluster that only keep what is written."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from pykubeadm.commands.existing import connect
from pykubeadm.commands.upgrade.addon import addon
from pykubeadm.commands.upgrade.begin import begin
from pykubeadm.commands.upgrade.bootstrap_token import bootstrap_token
from pykubeadm.commands.upgrade.components import components
from pykubeadm.commands.upgrade.kubelet_config import kubelet_config
from pykubeadm.commands.upgrade.pods_before import decoded, looking
from pykubeadm.commands.upgrade.post_upgrade import post_upgrade
from pykubeadm.commands.upgrade.run import UpgradeRun
from pykubeadm.commands.upgrade.upload_config import upload_config
from pykubeadm.constants import KUBELET_CONFIG, KUBELET_FLAGS_ENV, KUBELET_INSTANCE_CONFIG
from pykubeadm.errors import PhaseError
from pykubeadm.kube.port import Api, title
from pykubeadm.kube.recording import RecordingApi, masked
from pykubeadm.patches.three_way import without_served
from pykubeadm.phases.patching import load_patches
from pykubeadm.phases.static_pods.manifests import manifest_path
from pykubeadm.util.differences import unified
from pykubeadm.util.kube_object import KubeObject
from pykubeadm.util.yaml_output import to_yaml
from pykubeadm.workflow.events import Subscriber
from pykubeadm.workflow.phase import Phase, steps

if TYPE_CHECKING:
    from pykubeadm.config.source import Source
    from pykubeadm.node.port import Node

# After the static pods, which are waited for where they are upgraded, in the order in which they are shown.
_KUBELET = (kubelet_config, post_upgrade)
_CLUSTER = (addon, upload_config, bootstrap_token)
_FILES = (KUBELET_CONFIG, KUBELET_INSTANCE_CONFIG, KUBELET_FLAGS_ENV)
_SERVERS_OWN = ("generation",)
_CONTEXT = 3  # lines; kubeadm: cmd/upgrade/diff.go


@dataclass(frozen=True, slots=True)
class Difference:
    """What an upgrade changes in a file or object: `what` names it, `text` is the unified diff."""

    what: str
    text: str


def diff(options: Mapping[str, Any], emit: Subscriber, *, machine: Node, source: Source | None = None) -> bool:
    """Whether there are differences; each is a result of the run. By kubeadm's flags, with underscores, and `kubernetes_version`;
    `source` is what --config names; patches are those of `options`, else those of `apply` in the UpgradeConfiguration."""
    run = begin("diff", {**options, "patches": None}, emit, machine=machine, source=source)
    given = run.upgrade.apply.patches
    directory = options.get("patches") or (given.directory if given else "")
    patches = load_patches(run.node, directory, lambda message: run.note("warning", message, topic="patches"))
    lines = options.get("context_lines")
    context = lines if lines is not None else run.upgrade.diff.context_lines or _CONTEXT
    found = False
    for difference in differences(replace(run, patches=patches), lambda: _rehearsing(run), context):
        found = True
        run.result("difference", difference.text.rstrip("\n"), what=difference.what)
    return found


def differences(run: UpgradeRun, rehearsing: Callable[[], Api], context: int) -> Iterator[Difference]:
    """In a fixed order: static pods, the kubelet's files, add-ons, the cluster's configuration. `rehearsing` gives the API server
    that stores nothing. PhaseError where something cannot be upgraded."""
    trial = looking(run)
    for component in components(trial):
        before, after = (to_yaml(decoded(pod)) for pod in (component.former, component.wanted))
        yield from _difference(manifest_path(component.name), before, after, run.target, context)
    api = RecordingApi(rehearsing(), _silent)
    trial = replace(trial, api=api)
    _perform(trial, _KUBELET)
    for path in _FILES:
        yield from _difference(path, _text(run.node, path), _text(trial.node, path), run.target, context)
    _perform(trial, _CLUSTER)
    if run.api is None:
        raise PhaseError("there is no connection to the cluster")
    for wanted in api.written:
        yield from _difference(title(wanted), *_shown(_live(run.api, wanted), wanted), run.target, context)


def _perform(run: UpgradeRun, phases: Sequence[Phase[UpgradeRun]]) -> None:
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


def _rehearsing(run: UpgradeRun) -> Api:
    server = run.api.server if run.api else ""
    return connect(run.node, run.kubeconfig_path, lambda _text: None, server=server, dry_run=True)


def _silent(_text: str) -> None:
    """What would be written is shown as a difference."""
