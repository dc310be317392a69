"""A cluster in memory as `init` leaves it, and runs of `upgrade` on its control plane."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from pykubeadm.addons.coredns import coredns
from pykubeadm.addons.kube_proxy import kube_proxy
from pykubeadm.commands.upgrade.run import UpgradeRun
from pykubeadm.config.host import HostFacts
from pykubeadm.config.model import Configuration, UpgradeConfiguration
from pykubeadm.constants import LABEL_CONTROL_PLANE
from pykubeadm.manifests.cluster_objects import kubelet_config_objects
from pykubeadm.manifests.kubelet import kubelet_configuration
from pykubeadm.node.journal import Journal
from pykubeadm.util.kube_object import KubeObject
from pykubeadm.workflow.events import Event
from tests.support.api import FakeApi
from tests.support.init_runs import NOW, configuration
from tests.support.node import FakeNode

SERVED: dict[str, dict[str, Any]] = {
    "Deployment": {"revisionHistoryLimit": 10, "progressDeadlineSeconds": 600},
    "DaemonSet": {"revisionHistoryLimit": 10},
    "Service": {"type": "ClusterIP", "sessionAffinity": "None", "ipFamilies": ["IPv4"]},
}


def silent(_level: str, _message: str) -> None:
    """Nobody listens."""


def pod(component: str, node: str, tag: str) -> KubeObject:
    """A static pod as the API server shows it."""
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": f"{component}-{node}",
            "namespace": "kube-system",
            "labels": {"component": component, "tier": "control-plane"},
        },
        "spec": {"nodeName": node, "containers": [{"name": component, "image": f"registry.k8s.io/{component}:{tag}"}]},
    }


def node(name: str, kubelet: str, *, control_plane: bool = False, ready: bool = True) -> KubeObject:
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": name, "labels": {LABEL_CONTROL_PLANE: ""} if control_plane else {}},
        "status": {
            "nodeInfo": {"kubeletVersion": kubelet},
            "conditions": [{"type": "Ready", "status": "True" if ready else "False"}],
        },
    }


def cluster(version: str = "v1.35.6", *, names: tuple[str, ...] = ("cp1",), **fields: Any) -> FakeApi:
    """Control planes of that version with its add-ons; `fields` are those of the ClusterConfiguration."""
    api = FakeApi(defaults=SERVED)
    config = configuration(kubernetes_version=version, **fields)
    for name in names:
        api.put(node(name, version, control_plane=True))
        for component in ("kube-apiserver", "kube-controller-manager", "kube-scheduler"):
            api.put(pod(component, name, version))
        api.put(pod("etcd", name, "3.6.8-0"))
    documents = [*coredns(config.cluster), *kube_proxy(config, {}, silent)]
    documents += kubelet_config_objects(kubelet_configuration(config.cluster, {}, silent), user_supplied=False)
    for document in documents:
        api.put(document)
    return api


def upgrade_run(api: FakeApi, target: str, *, stored: str = "v1.35.6", **fields: Any) -> tuple[UpgradeRun, list[Event]]:
    """A run of `upgrade apply` on cp1, and the list that its events go to."""
    events: list[Event] = []
    config: Configuration = configuration(kubernetes_version=target, **fields.pop("cluster", {}))
    machine = fields.pop("node", None) or FakeNode()
    run = UpgradeRun(
        **{
            "configuration": config,
            "node": machine,
            "host": HostFacts("cp1"),
            "journal": Journal(machine),
            "emit": events.append,
            "api": api,
            "command": "upgrade apply",
            "part": "apply",
            "upgrade": UpgradeConfiguration(),
            "stored": replace(config.cluster, kubernetes_version=stored),
            "has_control_plane": True,
            "now": lambda: NOW,
        }
        | fields
    )
    return run, events
