"""`upgrade plan` and `upgrade diff` on a real control plane: what they say beside kubeadm, and that they change nothing."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from lab.cluster import kubectl
from lab.node import PROGRAMS, Node
from tests.e2e.conftest import Versions, nodes_of
from tests.e2e.joining import IGNORED
from tests.e2e.untouched import snapshot, touched
from tests.e2e.upgrading import manifests, old_control_plane, plan_tables

SCHEDULER = "/etc/kubernetes/manifests/kube-scheduler.yaml"


@pytest.fixture(scope="module")
def old(versions: Versions, request: pytest.FixtureRequest) -> Iterator[Node]:
    with nodes_of(versions.old, request) as new_node:
        yield old_control_plane(new_node, versions, "plan")


def _plan(node: Node, *words: str) -> str:
    done = node.run("pykubeadm", "upgrade", "plan", *words, *IGNORED, check=False, timeout=60)
    assert "Traceback" not in done.stderr
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_plans_what_kubeadm_plans(old: Node, versions: Versions) -> None:
    new = versions.new.version
    ours = json.loads(_plan(old, new, "--output=json"))
    kubeadm = f"{PROGRAMS}/{new}/kubeadm"
    theirs = json.loads(old.run(kubeadm, "upgrade", "plan", new, "--output=json", *IGNORED, timeout=180).stdout)
    # kubeadm names the cluster's series also for the next minor.
    assert ours["availableUpgrades"][0]["description"] == "stable version"
    for plan in (ours, theirs):
        plan["availableUpgrades"][0]["description"] = ""
    assert ours == theirs


def test_has_kubeadmsplan_tables(old: Node, versions: Versions) -> None:
    new = versions.new.version
    theirs = old.run(f"{PROGRAMS}/{new}/kubeadm", "upgrade", "plan", new, *IGNORED, timeout=180).stdout
    assert plan_tables(_plan(old, new)) == plan_tables(theirs)


def test_offers_the_next_minor_without_a_network(old: Node, versions: Versions) -> None:
    assert f"\tpykubeadm upgrade apply {versions.new.version}\n" in _plan(old)


def test_plan_and_diff_change_nothing(old: Node, versions: Versions) -> None:
    before = snapshot(old)
    _plan(old, versions.new.version)
    old.run("pykubeadm", "upgrade", "diff", versions.new.version, timeout=60)
    assert touched(before, snapshot(old)) == []


def test_the_same_version_has_no_differences(old: Node) -> None:
    done = old.run("pykubeadm", "upgrade", "diff", "--exit-code", timeout=60)
    assert done.stdout == ""


def test_shows_what_an_upgrade_changes(old: Node, versions: Versions) -> None:
    new = versions.new.version
    done = old.run("pykubeadm", "upgrade", "diff", new, "--exit-code", check=False, timeout=60)
    assert done.returncode == 1, done.stderr
    titles = [line.removeprefix("--- ") for line in done.stdout.splitlines() if line.startswith("--- ")]
    assert titles[:3] == [f"/etc/kubernetes/manifests/{name}.yaml" for name in manifests(old) if name.startswith("kube-")]
    assert titles[-1] == "ConfigMap kube-system/kubeadm-config"
    assert f"+    image: registry.k8s.io/kube-scheduler:{new}\n" in done.stdout


def test_names_what_an_upgrade_would_undo(old: Node, versions: Versions) -> None:
    text = old.read(SCHEDULER)
    edited = text.replace("    - --leader-elect=true\n", "    - --leader-elect=true\n    - --v=3\n")
    old.write(SCHEDULER, edited)
    try:
        done = old.run("pykubeadm", "upgrade", "plan", versions.new.version, *IGNORED, timeout=60)
    finally:
        old.write(SCHEDULER, text)
    assert f"{SCHEDULER} is not what the cluster's configuration gives, which this run makes it" in done.stderr
    assert "\n-    - --v=3\n" in done.stderr


def test_a_policy_that_refuses_every_pod_is_found_before_the_upgrade(old: Node, versions: Versions) -> None:
    kubectl(old, "label", "namespace", "kube-system", "pod-security.kubernetes.io/enforce=restricted", "--overwrite")
    try:
        done = old.run("pykubeadm", "upgrade", "plan", versions.new.version, check=False, timeout=60)
    finally:
        kubectl(old, "label", "namespace", "kube-system", "pod-security.kubernetes.io/enforce-")
    assert done.returncode == 3
    assert "[ERROR CreateJob]: the API server would refuse the Pod that tests the cluster" in done.stderr
