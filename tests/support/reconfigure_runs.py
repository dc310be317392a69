"""A cluster in memory with one control plane at the newest version, and runs of `reconfigure` on it."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import yaml

from pykubeadm.addons.coredns import coredns
from pykubeadm.addons.kube_proxy import kube_proxy
from pykubeadm.commands.reconfigure.begin import begin
from pykubeadm.commands.reconfigure.phases import PHASES
from pykubeadm.commands.reconfigure.run import ReconfigureRun
from pykubeadm.config.host import HostFacts
from pykubeadm.config.model import Timeouts
from pykubeadm.config.source import Source
from pykubeadm.constants import ENDPOINT_ANNOTATION
from pykubeadm.workflow.events import Event
from pykubeadm.workflow.phase import Phase, steps
from tests.support.api import FakeApi
from tests.support.init_runs import configuration
from tests.support.upgrade_plans import SERVED, node, silent
from tests.support.upgrade_runs import LATER, MANIFESTS, NEW, ControlPlaneNode, made

if TYPE_CHECKING:
    import pytest

FILE = "new.yaml"
_HEAD = {"apiVersion": "kubeadm.k8s.io/v1beta4", "kind": "ClusterConfiguration"}


def cluster(**fields: Any) -> tuple[ControlPlaneNode, FakeApi]:
    """A control plane cp1 with its add-ons, as `init` leaves them; `fields` are those of the ClusterConfiguration."""
    machine, api = made(NEW, **fields)
    api.defaults = SERVED
    config = configuration(kubernetes_version=NEW, **fields)
    for document in (*coredns(config.cluster), *kube_proxy(config, {}, silent), node("cp1", NEW, control_plane=True)):
        api.put(document)
    api.put(server_pod(machine, "cp1"))
    return machine, api


def server_pod(machine: ControlPlaneNode, name: str, *flags: str) -> dict[str, Any]:
    """The API server's pod of a node, with the manifest of `machine` and more flags."""
    found: dict[str, Any] = yaml.safe_load(machine.text(f"{MANIFESTS}/kube-apiserver.yaml"))
    found["metadata"] |= {"name": f"kube-apiserver-{name}", "labels": {"component": "kube-apiserver", "tier": "control-plane"}}
    found["spec"]["nodeName"] = name
    found["spec"]["containers"][0]["command"] += flags
    assert found["metadata"]["annotations"][ENDPOINT_ANNOTATION]
    return found


def document(**fields: Any) -> str:
    return yaml.safe_dump(_HEAD | fields)


def file_of(*documents: str) -> Source:
    return Source(FILE, "---\n".join(documents).encode())


def reconfigure_run(
    monkeypatch: pytest.MonkeyPatch, machine: ControlPlaneNode, api: FakeApi, source: Source | None = None, **options: Any
) -> tuple[ReconfigureRun, list[Event]]:
    """A run that gives up waiting soon, and the list that its events go to."""
    events: list[Event] = []
    monkeypatch.setattr("pykubeadm.commands.existing.connect", lambda *_args, **_options: api)
    monkeypatch.setattr(
        "pykubeadm.commands.reconfigure.begin.host_facts", lambda _node: HostFacts("cp1", default_ipv4="10.0.0.9")
    )
    run = begin(options, events.append, machine=machine, source=source)
    short = timedelta(milliseconds=10)
    timeouts = Timeouts(upgrade_manifests=short, etcd_api_call=short, kubernetes_api_call=short, kubelet_health_check=short)
    run.configuration = replace(run.configuration, this_node=replace(run.configuration.this_node, timeouts=timeouts))
    run.now = lambda: LATER
    return run, events


def perform(run: ReconfigureRun, *phases: Phase[ReconfigureRun]) -> list[str]:
    """What the steps of `phases`, all where there are none, changed."""
    changes: list[str] = []
    for step in steps(phases or PHASES):
        phase = step.phase
        if phase.when(run) and phase.apply and not (phase.check and phase.check(run)):
            changes += phase.apply(run)
    return changes
