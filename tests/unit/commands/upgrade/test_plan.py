"""`upgrade plan`: what is offered, what stands in the tables, beside what kubeadm 1.36.2 prints."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
import yaml

from pykubeadm.cli import upgrade_plan
from pykubeadm.commands.upgrade.plan import Plan, plan_of
from pykubeadm.config.model import DNS, Patches, UpgradeApply, UpgradeConfiguration
from pykubeadm.config.model import UpgradePlan as Section
from pykubeadm.config.versions import RELEASES
from pykubeadm.node.port import Completed
from pykubeadm.output.forms import form
from pykubeadm.phases.replacing.record import Record, write_record
from pykubeadm.workflow.events import Event, Note
from tests.support.api import FakeApi
from tests.support.node import FakeNode
from tests.support.upgrade_plans import cluster, node, upgrade_run
from tests.support.upgrade_runs import MANIFESTS, made

# `kubeadm upgrade plan v1.36.3 -o json` of 1.36.2 on a control plane, but for the row of kubeadm itself.
KUBEADM = {
    "kind": "UpgradePlan",
    "apiVersion": "output.kubeadm.k8s.io/v1alpha3",
    "availableUpgrades": [
        {
            "description": "version in the v1.36 series",
            "components": [
                {"name": "kubelet", "currentVersion": "v1.36.2", "newVersion": "v1.36.3", "nodeName": "cp1"},
                {"name": "kube-apiserver", "currentVersion": "v1.36.2", "newVersion": "v1.36.3", "nodeName": "cp1"},
                {"name": "kube-controller-manager", "currentVersion": "v1.36.2", "newVersion": "v1.36.3", "nodeName": "cp1"},
                {"name": "kube-scheduler", "currentVersion": "v1.36.2", "newVersion": "v1.36.3", "nodeName": "cp1"},
                {"name": "kube-proxy", "currentVersion": "1.36.2", "newVersion": "v1.36.3"},
                {"name": "CoreDNS", "currentVersion": "v1.14.2", "newVersion": "v1.14.2"},
                {"name": "kubeadm", "currentVersion": "v1.36.3", "newVersion": "v1.36.3"},
                {"name": "etcd", "currentVersion": "3.6.8-0", "newVersion": "3.6.8-0", "nodeName": "cp1"},
            ],
        }
    ],
    "configVersions": [
        {
            "group": "kubeproxy.config.k8s.io",
            "currentVersion": "v1alpha1",
            "preferredVersion": "v1alpha1",
            "manualUpgradeRequired": False,
        },
        {
            "group": "kubelet.config.k8s.io",
            "currentVersion": "v1beta1",
            "preferredVersion": "v1beta1",
            "manualUpgradeRequired": False,
        },
    ],
}
TEXT = """\
Upgrade these node by node, once the control planes are upgraded:
COMPONENT   NODE      CURRENT   TARGET
kubelet     cp1       v1.36.2   v1.36.3

Upgrade to the latest version in the v1.36 series:

COMPONENT                 NODE      CURRENT   TARGET
kube-apiserver            cp1       v1.36.2   v1.36.3
kube-controller-manager   cp1       v1.36.2   v1.36.3
kube-scheduler            cp1       v1.36.2   v1.36.3
kube-proxy                          1.36.2    v1.36.3
CoreDNS                             v1.14.2   v1.14.2
etcd                      cp1       3.6.8-0   3.6.8-0

Apply it on this node with:

	pykubeadm upgrade apply v1.36.3

_____________________________________________________________________

Configuration of components, by the version it is stored in:

API GROUP                 CURRENT VERSION   PREFERRED VERSION   MANUAL UPGRADE REQUIRED
kubeproxy.config.k8s.io   v1alpha1          v1alpha1            no
kubelet.config.k8s.io     v1beta1           v1beta1             no
_____________________________________________________________________

"""


def rendered_as(plan: Plan, output: str) -> str:
    return upgrade_plan.rendered_as(plan, form(output, allow_missing=True, read=lambda _path: b""))


def _plan(api: FakeApi, version: str = "", answers: dict[str, str] | None = None, **section: Any) -> tuple[Plan, list[Event]]:
    stored = section.pop("stored", "v1.36.2")
    upgrade = UpgradeConfiguration(plan=Section(kubernetes_version=version, **section))
    run, events = upgrade_run(api, version or stored, stored=stored, part="plan", upgrade=upgrade)
    run.ignore_preflight_errors = frozenset({"all"})  # on a node without files
    return plan_of(run, (answers or {}).get, rehearsing=FakeApi), events


def test_is_what_kubeadm_prints() -> None:
    plan, _ = _plan(cluster("v1.36.2"), "v1.36.3")
    assert json.loads(rendered_as(plan, "json")) == KUBEADM
    assert yaml.safe_load(rendered_as(plan, "yaml")) == KUBEADM
    assert rendered_as(plan, "json").startswith('{\n    "kind": "UpgradePlan",\n    "apiVersion"')


def test_has_kubeadms_tables() -> None:
    assert rendered_as(_plan(cluster("v1.36.2"), "v1.36.3")[0], "text") == TEXT


def test_nothing_to_upgrade_to_is_said_and_no_table_shown() -> None:
    plan, _ = _plan(cluster("v1.37.9"), answers={"stable-1.37": "v1.37.9"}, stored="v1.37.9")
    assert rendered_as(plan, "text") == (
        "The cluster is at v1.37.9, and there is nothing newer for it up to 1.37, the newest minor that this pykubeadm knows.\n"
    )
    assert json.loads(rendered_as(plan, "json"))["availableUpgrades"] == []


def test_offline_the_newest_known_versions_are_offered() -> None:
    plan, events = _plan(cluster("v1.35.1"), stored="v1.35.1")
    assert [str(upgrade.offer.target) for upgrade in plan.upgrades] == [RELEASES[35].newest, RELEASES[36].newest]
    assert any(isinstance(event, Note) and "does not answer" in event.message for event in events)


def test_kubelets_are_listed_by_version_and_only_where_one_is_older() -> None:
    api = cluster("v1.36.2")
    api.put(node("w1", "v1.35.6"))
    plan, _ = _plan(api, "v1.36.2")
    kubelets = [(each.node, each.current) for each in plan.upgrades[0].components if each.name == "kubelet"]
    assert kubelets == [("w1", "v1.35.6"), ("cp1", "v1.36.2")]
    plan, _ = _plan(cluster("v1.36.2"), "v1.36.2")
    assert not [each for each in plan.upgrades[0].components if each.name == "kubelet"]


def test_etcd_is_left_out_where_it_is_not_to_be_upgraded() -> None:
    plan, _ = _plan(cluster("v1.36.2"), "v1.36.3", etcd_upgrade=False)
    assert "etcd" not in {each.name for each in plan.upgrades[0].components}


def test_a_pinned_tag_is_the_target() -> None:
    api = cluster("v1.36.2")
    upgrade = UpgradeConfiguration(plan=Section(kubernetes_version="v1.36.3"))
    run, _ = upgrade_run(
        api, "v1.36.3", stored="v1.36.2", part="plan", upgrade=upgrade, cluster={"dns": DNS(image_tag="v1.13.9")}
    )
    run.ignore_preflight_errors = frozenset({"all"})
    plan = plan_of(run, lambda _label: None, rehearsing=FakeApi)
    (dns,) = [each for each in plan.upgrades[0].components if each.name == "CoreDNS"]
    assert dns.target == "v1.13.9"


def test_refusals_take_the_place_of_the_command() -> None:
    plan, _ = _plan(cluster("v1.34.3"), "v1.36.2", stored="v1.34.3")
    text = rendered_as(plan, "text")
    assert (
        "v1.36.2 is refused:\n\n\t- v1.36.2 is more than one minor above the API server's v1.34.3: upgrade to 1.35 first\n"
        in text
    )
    assert "pykubeadm upgrade apply" not in text


@pytest.mark.parametrize(
    ("version", "flag"),
    [("v1.36.3-rc.1", "--allow-release-candidate-upgrades"), ("v1.36.3-alpha.1", "--allow-experimental-upgrades")],
)
def test_the_command_for_a_pre_release_has_its_flag(version: str, flag: str) -> None:
    plan, _ = _plan(cluster("v1.36.2"), version, allow_experimental_upgrades=True)
    assert f"pykubeadm upgrade apply {version} {flag}\n" in rendered_as(plan, "text")


def test_writes_nothing_to_the_cluster() -> None:
    api = cluster("v1.36.2")
    api.writes.clear()
    _plan(api, "v1.36.3")
    assert api.writes == []


def test_the_errors_of_checks_are_those_at_which_apply_stops() -> None:
    api = cluster("v1.36.2")
    api.put(node("cp2", "v1.36.2", control_plane=True, ready=False))
    upgrade = UpgradeConfiguration(plan=Section(kubernetes_version="v1.36.3"))
    run, _ = upgrade_run(api, "v1.36.3", stored="v1.36.2", part="plan", upgrade=upgrade)
    plan = plan_of(run, lambda _label: None, rehearsing=FakeApi)
    assert any(error.startswith("[ERROR ControlPlaneNodesReady]: control planes are not Ready: cp2") for error in plan.errors)


def test_a_machine_that_the_new_version_does_not_run_on_is_found() -> None:
    machine = FakeNode(commands={"kubelet --version": Completed(0, "Kubernetes v1.36.2\n")})
    machine.put("/proc/mounts", "cgroup /sys/fs/cgroup/memory cgroup rw,memory 0 0\n")
    machine.put("/sys/fs/cgroup/memory/tasks", "")
    upgrade = UpgradeConfiguration(plan=Section(kubernetes_version="v1.36.3"))
    run, _ = upgrade_run(cluster("v1.36.2"), "v1.36.3", stored="v1.36.2", part="plan", upgrade=upgrade, node=machine)
    plan = plan_of(run, lambda _label: None, rehearsing=FakeApi)
    (found,) = [error for error in plan.errors if "failCgroupV1: false" in error]
    assert found.startswith("[ERROR SystemVerification]: this node uses cgroup v1")


@pytest.mark.parametrize(("directory", "undone"), [("", True), ("/patches", False)])
def test_what_the_files_patches_keep_is_not_reported_as_undone(directory: str, undone: bool) -> None:
    machine, _ = made("v1.36.2")
    manifest = f"{MANIFESTS}/kube-scheduler.yaml"
    machine.put(manifest, machine.text(manifest).replace("  labels:\n", "  labels:\n    mine: here\n"), 0o600)
    machine.put("/patches/kube-scheduler.yaml", "metadata: {labels: {mine: here}}")
    apply = UpgradeApply(patches=Patches(directory=directory) if directory else None)
    upgrade = UpgradeConfiguration(plan=Section(kubernetes_version="v1.36.3"), apply=apply)
    run, events = upgrade_run(cluster("v1.36.2"), "v1.36.3", stored="v1.36.2", part="plan", upgrade=upgrade, node=machine)
    plan_of(run, lambda _label: None, rehearsing=FakeApi)
    edited = [event.message for event in events if isinstance(event, Note) and f"{manifest} is not what" in event.message]
    assert bool(edited) is undone


def test_an_upgrade_that_was_interrupted_here_comes_first() -> None:
    machine = FakeNode()
    write_record(machine, Record(command="upgrade apply", target="v1.36.2", cluster=""))
    upgrade = UpgradeConfiguration(plan=Section(kubernetes_version="v1.36.3"))
    run, events = upgrade_run(cluster("v1.36.2"), "v1.36.3", stored="v1.36.2", part="plan", upgrade=upgrade, node=machine)
    plan_of(run, lambda _label: None, rehearsing=FakeApi)
    warnings = [event.message for event in events if isinstance(event, Note)]
    assert warnings[0].startswith(
        "`pykubeadm upgrade apply` to v1.36.2 was interrupted on this node: run it again first, to its end"
    )


def test_the_configuration_is_shown_where_it_is_wanted() -> None:
    plan, _ = _plan(cluster("v1.36.2"), "v1.36.3", print_config=True)
    text = rendered_as(replace(plan, upgrades=()), "text")
    assert text.startswith("[upgrade/config] Configuration used:\n\tapiServer: {}\n")
    assert "\tkubernetesVersion: v1.36.2\n" in text
