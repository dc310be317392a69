"""`upgrade diff`: what is shown, in which order, and that nothing is changed."""

from __future__ import annotations

import copy
import os
from typing import Any

from pykubeadm.commands.init.etcd import etcd
from pykubeadm.commands.init.kubelet_start import kubelet_start
from pykubeadm.commands.upgrade.diff import Difference, differences
from pykubeadm.commands.upgrade.preview import with_patches
from pykubeadm.commands.upgrade.run import UpgradeRun
from pykubeadm.config.model import UpgradeConfiguration
from pykubeadm.config.source import Source
from pykubeadm.manifests.cluster_objects import kubeadm_config_objects
from pykubeadm.node.port import UnitState
from pykubeadm.patches.files import read_patches
from pykubeadm.phases.replacing.record import Record, write_record
from pykubeadm.phases.static_pods.control_plane import control_plane
from pykubeadm.tokens.documents import cluster_info_rbac, node_rbac
from tests.support.api import FakeApi
from tests.support.init_runs import configuration, init_run, perform
from tests.support.node import FakeNode
from tests.support.upgrade_plans import cluster, upgrade_run


def _node(version: str) -> FakeNode:
    machine = FakeNode()
    machine.units["kubelet"] = UnitState("loaded", "active", "running", "enabled")
    run, _ = init_run(machine, configuration(kubernetes_version=version))
    perform(run, etcd, control_plane, kubelet_start)
    return machine


def _run(target: str, *, stored: str = "v1.35.6", **fields: Any) -> tuple[UpgradeRun, FakeApi]:
    api = cluster(stored)
    for document in [
        *kubeadm_config_objects(configuration(kubernetes_version=stored).cluster.document()),
        *node_rbac(),
        *cluster_info_rbac(),
    ]:
        api.put(document)
    machine = _node(stored)
    run, _ = upgrade_run(api, target, stored=stored, part="diff", upgrade=UpgradeConfiguration(), node=machine, **fields)
    return run, api


def _shown(run: UpgradeRun, api: FakeApi, context: int = 0) -> list[Difference]:
    writes, files = list(api.writes), dict(run.node.files)  # type: ignore[attr-defined]
    found = list(differences(run, lambda: copy.deepcopy(api), context))  # a copy stores nothing, as a dry run does
    assert api.writes == writes
    assert run.node.files == files  # type: ignore[attr-defined]
    return found


def test_the_same_version_has_no_differences() -> None:
    assert _shown(*_run("v1.35.6")) == []


def test_shows_static_pods_then_add_ons_then_the_clusters_configuration() -> None:
    found = _shown(*_run("v1.36.2"))
    assert [difference.what for difference in found] == [
        "/etc/kubernetes/manifests/kube-apiserver.yaml",
        "/etc/kubernetes/manifests/kube-controller-manager.yaml",
        "/etc/kubernetes/manifests/kube-scheduler.yaml",
        "DaemonSet kube-system/kube-proxy",
        "ConfigMap kube-system/kubeadm-config",
    ]
    assert found[2].text == (
        "--- /etc/kubernetes/manifests/kube-scheduler.yaml\n"
        "+++ /etc/kubernetes/manifests/kube-scheduler.yaml (v1.36.2)\n"
        "@@ -18 +18 @@\n"
        "-    image: registry.k8s.io/kube-scheduler:v1.35.6\n"
        "+    image: registry.k8s.io/kube-scheduler:v1.36.2\n"
    )
    assert found[4].text.endswith("-    kubernetesVersion: v1.35.6\n+    kubernetesVersion: v1.36.2\n")


def test_etcd_is_shown_where_it_changes() -> None:
    run, api = _run("v1.37.1", stored="v1.36.2")
    (first, *_) = _shown(run, api)
    assert first.what == "/etc/kubernetes/manifests/etcd.yaml"
    assert "+    image: registry.k8s.io/etcd:3.7.0-0\n" in first.text


def test_patches_are_found_from_the_directory_of_the_command() -> None:
    run, _ = _run("v1.35.6")
    run.node.put(os.path.abspath("mine/kube-apiserver.yaml"), "metadata: {annotations: {a: b}}\n")  # type: ignore[attr-defined]
    assert [patch.target for patch in with_patches(run, "mine").patches] == ["kube-apiserver"]


def test_patches_are_in_what_is_shown() -> None:
    patches, _ = read_patches(
        [
            Source("kube-scheduler.yaml", b"metadata: {labels: {mine: here}}"),
            Source("corednsdeployment.yaml", b"metadata: {labels: {mine: here}}"),
            Source("kubeletconfiguration.yaml", b"maxPods: 42"),
        ]
    )
    run, api = _run("v1.35.6", patches=patches)
    texts = {difference.what: difference.text for difference in _shown(run, api)}
    assert list(texts) == [
        "/etc/kubernetes/manifests/kube-scheduler.yaml",
        "/var/lib/kubelet/config.yaml",
        "Deployment kube-system/coredns",
    ]
    assert all("+" in text for text in texts.values())
    assert "+    mine: here\n" in texts["Deployment kube-system/coredns"]
    assert "+maxPods: 42\n" in texts["/var/lib/kubelet/config.yaml"]


def test_an_edit_of_a_manifest_is_shown_as_what_goes() -> None:
    run, api = _run("v1.35.6")
    path = "/etc/kubernetes/manifests/kube-scheduler.yaml"
    machine: Any = run.node
    machine.put(
        path, machine.text(path).replace("    - --leader-elect=true\n", "    - --leader-elect=true\n    - --v=4\n"), 0o600
    )
    (found,) = _shown(run, api)
    assert "-    - --v=4\n" in found.text


def test_that_an_upgrade_was_interrupted_here_is_a_warning() -> None:
    run, api = _run("v1.35.6")
    notes: list[str] = []
    run.emit = lambda event: notes.append(getattr(event, "message", ""))
    write_record(run.node, Record(command="upgrade apply", target="v1.36.2", cluster=""))
    _shown(run, api)
    assert "`pykubeadm upgrade apply` to v1.36.2 was interrupted on this node" in notes[0]


def test_context_is_as_wide_as_asked_for() -> None:
    run, api = _run("v1.36.2")
    assert "@@ -15,7 +15,7 @@" in _shown(run, api, 3)[2].text
