"""What is in the way of an upgrade, check by check."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from pykubeadm.commands.upgrade.checks.certificates import certificates
from pykubeadm.commands.upgrade.checks.deprecated import Deprecated, deprecated_checks, requested
from pykubeadm.commands.upgrade.checks.disk import disk_space
from pykubeadm.commands.upgrade.checks.disruption import blocking_budgets
from pykubeadm.commands.upgrade.checks.dns import dns_checks
from pykubeadm.commands.upgrade.checks.etcd import MemberState, members_fit
from pykubeadm.commands.upgrade.checks.every import cluster_checks
from pykubeadm.commands.upgrade.checks.flags import kubelet_checks, removed_flags, removed_gates
from pykubeadm.config.model import APIServer, Arg, ClusterConfiguration, ControlPlaneComponent, Etcd, LocalEtcd, Proxy
from pykubeadm.config.versions import parse_version
from pykubeadm.errors import ApiError
from pykubeadm.etcd.client import Member
from pykubeadm.node.port import Command, Completed
from pykubeadm.phases.certs.expiration import Expiration
from pykubeadm.phases.cluster.state import ClusterState, look_at
from pykubeadm.phases.preflight.check import FINE, Findings
from pykubeadm.phases.preflight.health import control_planes_ready, manifests_are_there, no_rotation
from pykubeadm.phases.preflight.machine import Machine
from pykubeadm.phases.replacing.checks import edited_manifests
from pykubeadm.util.kube_object import KubeObject
from tests.support.api import FakeApi
from tests.support.init_runs import NOW, configuration, init_run, perform
from tests.support.node import FakeNode
from tests.support.upgrade_plans import cluster, node, upgrade_run

_TARGET = parse_version("v1.36.2")


def _machine() -> Machine:
    run, _ = upgrade_run(FakeApi(), "v1.36.2")
    return Machine(run.node, run.host, run.journal, "")


def test_names_the_control_planes_that_are_not_ready() -> None:
    state = ClusterState(nodes=(node("cp1", "v1", control_plane=True), node("cp2", "v1", control_plane=True, ready=False)))
    assert control_planes_ready(state).errors[0].startswith("control planes are not Ready: cp2;")


def test_a_worker_that_is_not_ready_is_not_in_the_way() -> None:
    assert control_planes_ready(ClusterState(nodes=(node("w1", "v1", ready=False),))) == FINE


def test_names_the_manifests_that_are_missing_or_damaged() -> None:
    machine = FakeNode()
    machine.put("/etc/kubernetes/manifests/etcd.yaml", "{")
    found = manifests_are_there(machine, ("etcd", "kube-scheduler")).errors
    assert len(found) == 2
    assert found[0].startswith("/etc/kubernetes/manifests/etcd.yaml")
    assert found[1].startswith("/etc/kubernetes/manifests/kube-scheduler.yaml does not exist: put it back")


def test_a_rotation_of_the_cas_comes_to_its_end_before() -> None:
    machine = FakeNode()
    assert no_rotation(machine) == FINE
    machine.put("/var/lib/pykubeadm/ca-rotation/id", "a")
    assert "`pykubeadm certs rotate-ca` says how far that is" in no_rotation(machine).errors[0]


def test_names_feature_gates_that_the_new_version_refuses_wherever_they_stand() -> None:
    api = cluster("v1.35.6")
    gates = (Arg(name="feature-gates", value="MemoryManager=true,Other=true"),)
    kube = replace(configuration().cluster, api_server=APIServer(extra_args=gates))
    config_map = next(document for key, document in api.objects.items() if key[3] == "kubelet-config")
    config_map["data"]["kubelet"] += "featureGates:\n  TopologyAwareHints: true\n"
    machine = FakeNode()
    machine.put("/var/lib/kubelet/kubeadm-flags.env", 'KUBELET_KUBEADM_ARGS="--feature-gates=HonorPVReclaimPolicy=true"\n')
    found = removed_gates(look_at(api), kube, machine, _TARGET)
    flags, config_map_name = "/var/lib/kubelet/kubeadm-flags.env", "ConfigMap kube-system/kubelet-config"
    assert found.errors == (
        "kube-apiserver v1.36.2 does not know the feature gate MemoryManager of apiServer.extraArgs: remove it",
        f"the kubelet v1.36.2 does not know the feature gate HonorPVReclaimPolicy of {flags}: remove it",
        f"the kubelet v1.36.2 does not know the feature gate TopologyAwareHints of {config_map_name}: remove it",
    )
    assert removed_gates(look_at(api), kube, machine, parse_version("v1.35.6")).errors == ()


def test_a_worker_names_the_gates_that_its_kubelet_refuses() -> None:
    machine = FakeNode()
    machine.put("/var/lib/kubelet/kubeadm-flags.env", 'KUBELET_KUBEADM_ARGS="--feature-gates=MemoryManager=true"\n')
    (check,) = kubelet_checks(machine, _TARGET)
    assert check.look(_machine()).errors[0].startswith("the kubelet v1.36.2 does not know the feature gate MemoryManager")


def test_kubeadms_own_gates_that_are_gone_are_only_reported() -> None:
    kube = replace(configuration().cluster, feature_gates={"PublicKeysECDSA": False})
    found = removed_gates(ClusterState(), kube, FakeNode(), parse_version("v1.37.1"))
    assert found.errors == ()
    assert "PublicKeysECDSA" in found.warnings[0]


def test_reports_kubelet_flags_that_the_upgrade_removes() -> None:
    machine = FakeNode()
    machine.put("/var/lib/kubelet/kubeadm-flags.env", 'KUBELET_KUBEADM_ARGS="--pod-infra-container-image=pause --v=2"\n')
    found = removed_flags(configuration().cluster, machine, _TARGET)
    assert found.errors == ()
    assert "removes --pod-infra-container-image" in found.warnings[0]
    assert removed_flags(configuration().cluster, machine, parse_version("v1.34.3")) == FINE
    machine.put("/var/lib/kubelet/kubeadm-flags.env", 'KUBELET_KUBEADM_ARGS="--boot-id-file=/id --v=2"\n')
    assert removed_flags(configuration().cluster, machine, _TARGET) == FINE
    (warning,) = removed_flags(configuration().cluster, machine, parse_version("v1.37.1")).warnings
    assert "removes --boot-id-file" in warning


def _with_flags(**flags: str) -> ClusterConfiguration:
    """A cluster whose controller manager or etcd has a flag."""
    args = {name: (Arg(name=flag, value="1"),) for name, flag in flags.items()}
    manager = ControlPlaneComponent(extra_args=args.get("controller_manager", ()))
    etcd = Etcd(local=LocalEtcd(extra_args=args.get("etcd", ()), image_tag=flags.get("tag", "")))
    return replace(configuration().cluster, controller_manager=manager, etcd=etcd)


def test_names_flags_that_the_new_version_refuses() -> None:
    newer, older = parse_version("v1.37.1"), _TARGET
    kube = _with_flags(controller_manager="concurrent-service-syncs")
    (found,) = removed_flags(kube, FakeNode(), newer).errors
    place = "controllerManager.extraArgs"
    assert found == f"kube-controller-manager v1.37.1 does not know the flag --concurrent-service-syncs of {place}: remove it"
    assert removed_flags(kube, FakeNode(), older) == FINE


def test_names_flags_of_etcd_by_the_version_that_etcd_comes_to() -> None:
    newer = parse_version("v1.37.1")
    kube = _with_flags(etcd="experimental-compaction-batch-limit")
    (found,) = removed_flags(kube, FakeNode(), newer).errors
    assert found.startswith("etcd 3.7.0-0 does not know the flag --experimental-compaction-batch-limit of etcd.local.extraArgs: ")
    assert removed_flags(kube, FakeNode(), _TARGET) == FINE
    assert removed_flags(kube, FakeNode(), newer, etcd_upgrade=False) == FINE
    pinned = _with_flags(etcd="experimental-compaction-batch-limit", tag="3.6.12-0")
    assert removed_flags(pinned, FakeNode(), newer) == FINE


def _dns(corefile: str = "", image: str = "") -> Findings:
    api = cluster("v1.35.6")
    for key, document in api.objects.items():
        if key[1:] == ("ConfigMap", "kube-system", "coredns") and corefile:
            document["data"]["Corefile"] = corefile
        if key[1] == "Deployment" and image:
            document["spec"]["template"]["spec"]["containers"][0]["image"] = image
    found = [check.look(_machine()) for check in dns_checks(look_at(api), configuration().cluster, _TARGET)]
    return Findings(
        tuple(sentence for each in found for sentence in each.errors),
        tuple(sentence for each in found for sentence in each.warnings),
    )


def test_the_usual_corefile_is_fine() -> None:
    assert _dns() == FINE


@pytest.mark.parametrize(
    ("corefile", "sentence"),
    [
        (".:53 {\n errors\n", "cannot be read: line 1"),
        (".:53 {\n proxy . 192.0.2.1\n}\n", "the plugin proxy is gone from CoreDNS"),
    ],
)
def test_a_corefile_that_coredns_would_not_start_with_is_an_error(corefile: str, sentence: str) -> None:
    assert sentence in _dns(corefile).errors[0]


def test_a_plugin_of_another_build_and_an_image_of_another_make_are_warnings() -> None:
    found = _dns(".:53 {\n unbound\n}\n", "registry.example/dns:v1.13.1")
    assert found.errors == ()
    assert len(found.warnings) == 2
    assert found.warnings[0].endswith("unbound")


def _member(name: str, version: str, *, learner: bool = False, ailment: str = "") -> MemberState:
    return MemberState(Member(1, name, (f"https://{name}:2380",), (f"https://{name}:2379",), learner), version, ailment)


def test_members_of_etcd_that_fit_are_fine() -> None:
    assert members_fit([_member("a", "3.6.8"), _member("b", "3.6.8")], "3.6.8-0") == FINE
    assert members_fit([_member("a", "3.5.26")], "3.6.8-0") == FINE
    assert members_fit([_member("a", "3.7.0")], "3.6.8-0") == FINE


def test_members_of_etcd_that_would_run_beside_3_7_need_3_6_11() -> None:
    found = members_fit([_member("a", "3.6.10"), _member("b", "3.6.11"), _member("c", "3.7.0")], "3.7.0-0")
    (error,) = found.errors
    assert "a 1 at https://a:2380 runs 3.6.10: upgrade every member to 3.6.11 or later before 3.7.0-0" in error
    assert "etcd.local.imageTag: 3.6.11-0" in error
    assert members_fit([_member("a", "3.6.11"), _member("b", "3.6.12")], "3.7.0-0").errors == ()
    assert members_fit([_member("a", "3.6.8"), _member("b", "3.6.8")], "3.6.11-0").errors == ()


def test_the_only_member_of_etcd_runs_beside_no_other_version() -> None:
    assert members_fit([_member("a", "3.6.8")], "3.7.0-0") == FINE


@pytest.mark.parametrize(
    ("member", "wanted", "sentence"),
    [
        (_member("a", "3.6.8", learner=True), "3.6.8-0", "is a learner"),
        (_member("a", "", ailment="connection refused"), "3.6.8-0", "is not healthy: connection refused"),
        (_member("a", "3.5.24"), "3.6.8-0", "upgrade every member to 3.5.26 first"),
        (_member("a", "3.5.26"), "3.7.0-0", "etcd goes one minor at a time"),
    ],
)
def test_members_of_etcd_that_do_not_fit_are_named(member: MemberState, wanted: str, sentence: str) -> None:
    (found,) = members_fit([member], wanted).errors
    assert sentence in found
    assert "a 1 at https://a:2380" in found


def test_members_of_different_versions_are_reported() -> None:
    found = members_fit([_member("a", "3.6.8"), _member("b", "3.6.6")], "3.6.8-0")
    assert found.warnings == ("etcd's members run different versions: 3.6.6 on b; 3.6.8 on a",)


def test_disk_space_is_counted_for_a_snapshot_and_what_is_restored_of_it() -> None:
    def free(command: Command) -> Completed:
        return Completed(0, f"Mounted on       Avail\n{mounts[command.argv[-1]]}\n")

    snap = "/var/lib/etcd/member/snap"
    machine = FakeNode(
        commands={"df": free, f"du --summarize --block-size=1 {snap}": Completed(0, f"{80 * 2**20}\t{snap}\n")},
    )
    mounts = {"/etc/kubernetes": f"/  {100 * 2**20}", "/var/lib/etcd": f"/  {100 * 2**20}"}
    assert disk_space(machine, "/var/lib/etcd").errors == (
        "/etc/kubernetes has 100 MiB left, and an upgrade may need 176 MiB there: free some space",
    )
    mounts = {"/etc/kubernetes": f"/  {100 * 2**20}", "/var/lib/etcd": f"/var/lib/etcd {79 * 2**20}"}
    assert disk_space(machine, "/var/lib/etcd").errors == (
        "/var/lib/etcd has 79 MiB left, and an upgrade may need 80 MiB there: free some space",
    )
    assert disk_space(machine, "") == FINE
    machine.put("/etc/kubernetes/tmp/kept", "")
    mounts |= {"/etc/kubernetes/tmp": "/etc/kubernetes/tmp 0"}
    assert disk_space(machine, "").errors == (
        "/etc/kubernetes/tmp has 0 MiB left, and an upgrade may need 16 MiB there: free some space",
    )


def test_disk_space_that_cannot_be_seen_is_not_in_the_way() -> None:
    assert disk_space(FakeNode(), "/var/lib/etcd") == FINE


def _budget(name: str, **status: int) -> KubeObject:
    return {"metadata": {"name": name, "namespace": "shop"}, "status": status}


def test_names_budgets_that_let_no_pod_go() -> None:
    state = ClusterState(
        disruption_budgets=(
            _budget("tight", expectedPods=1, disruptionsAllowed=0),
            _budget("loose", expectedPods=3, disruptionsAllowed=1),
            _budget("empty", expectedPods=0, disruptionsAllowed=0),
        )
    )
    (found,) = blocking_budgets(state).warnings
    assert "shop/tight;" in found
    assert "loose" not in found
    assert "empty" not in found


_METRICS = """\
# HELP apiserver_requested_deprecated_apis [STABLE] Gauge of deprecated APIs that have been requested
apiserver_requested_deprecated_apis{group="",removed_release="",resource="endpoints",subresource="",version="v1"} 1
apiserver_requested_deprecated_apis{group="autoscaling",removed_release="1.37",resource="hpas",subresource="",version="v2beta9"} 1
apiserver_requested_deprecated_apis{group="batch",removed_release="1.99",resource="jobs",subresource="",version="v1beta1"} 1
apiserver_request_total{code="200"} 5
"""


def test_reads_the_metric_of_deprecated_apis() -> None:
    assert requested(_METRICS) == (Deprecated("autoscaling/v2beta9", "hpas", 37), Deprecated("batch/v1beta1", "jobs", 99))


def test_reports_the_deprecated_apis_that_the_new_version_does_not_serve() -> None:
    (check,) = deprecated_checks(lambda: _METRICS, [_TARGET, parse_version("v1.37.1")])
    (found,) = check.look(_machine()).warnings
    assert "hpas of autoscaling/v2beta9 (gone in 1.37)" in found
    assert "jobs" not in found


def test_metrics_that_cannot_be_had_are_reported() -> None:
    def refused() -> str:
        raise ApiError("forbidden")

    (check,) = deprecated_checks(refused, [_TARGET])
    assert check.look(_machine()).warnings == ("which deprecated APIs are in use is not known: forbidden",)


def _node_of(**cluster_fields: Any) -> FakeNode:
    """A control plane of v1.35.6 with its static pods."""
    from pykubeadm.commands.init.etcd import etcd
    from pykubeadm.phases.static_pods.control_plane import control_plane

    machine = FakeNode()
    run, _ = init_run(machine, configuration(kubernetes_version="v1.35.6", **cluster_fields))
    perform(run, etcd, control_plane)
    return machine


def test_manifests_that_nobody_touched_lose_nothing() -> None:
    run, _ = upgrade_run(FakeApi(), "v1.36.2", node=_node_of())
    assert edited_manifests(run, "v1.36.2") == FINE


def test_a_flag_that_somebody_wrote_into_a_manifest_is_shown() -> None:
    machine = _node_of()
    path = "/etc/kubernetes/manifests/kube-scheduler.yaml"
    machine.put(
        path, machine.text(path).replace("    - --leader-elect=true\n", "    - --leader-elect=true\n    - --v=4\n"), 0o600
    )
    run, _ = upgrade_run(FakeApi(), "v1.36.2", node=machine)
    (found,) = edited_manifests(run, "v1.36.2").warnings
    assert found.startswith(f"{path} is not what the cluster's configuration gives, which this run makes it")
    assert found.endswith(":\n-    - --v=4")


def test_an_older_etcd_of_ours_is_no_edit_and_arguments_of_the_configuration_are_none() -> None:
    scheduler = ControlPlaneComponent(extra_args=(Arg(name="v", value="4"),))
    machine = _node_of(scheduler=scheduler)
    path = "/etc/kubernetes/manifests/etcd.yaml"
    machine.put(path, machine.text(path).replace("etcd:3.6.8-0", "etcd:3.6.4-0"), 0o600)
    run, _ = upgrade_run(FakeApi(), "v1.36.2", node=machine, cluster={"scheduler": scheduler})
    assert edited_manifests(run, "v1.36.2") == FINE


def test_what_kubeadm_once_mounted_is_no_edit() -> None:
    machine = _node_of()
    path = "/etc/kubernetes/manifests/kube-controller-manager.yaml"
    plugins = "/usr/libexec/kubernetes/kubelet-plugins/volume/exec"
    text = machine.text(path).replace(
        "    volumeMounts:\n", f"    volumeMounts:\n    - mountPath: {plugins}\n      name: flexvolume-dir\n"
    )
    text = text.replace(
        "  volumes:\n", f"  volumes:\n  - hostPath: {{path: {plugins}, type: DirectoryOrCreate}}\n    name: flexvolume-dir\n"
    )
    assert text.count("flexvolume-dir") == 2
    machine.put(path, text, 0o600)
    run, _ = upgrade_run(FakeApi(), "v1.36.2", node=machine)
    assert edited_manifests(run, "v1.36.2") == FINE


def test_a_manifest_in_other_words_is_no_edit() -> None:
    machine = _node_of()
    path = "/etc/kubernetes/manifests/kube-scheduler.yaml"
    text = machine.text(path).replace("    - --leader-elect=true\n", '    - "--leader-elect=true"  # by another tool\n')
    machine.put(path, text, 0o600)
    run, _ = upgrade_run(FakeApi(), "v1.36.2", node=machine)
    assert edited_manifests(run, "v1.36.2") == FINE


def _certificates(monkeypatch: pytest.MonkeyPatch, *entries: Expiration, authorities: tuple[Expiration, ...] = ()) -> Findings:
    place = "pykubeadm.commands.upgrade.checks.certificates"
    found = {"leaf_expirations": entries, "kubelet_expirations": (), "authority_expirations": authorities}
    for name, value in found.items():
        monkeypatch.setattr(f"{place}.{name}", lambda *_where, value=value: value)
    run, _ = upgrade_run(FakeApi(), "v1.36.2")
    return certificates(run, renewal=True)


def test_certificates_that_last_are_fine(monkeypatch: pytest.MonkeyPatch) -> None:
    ca = Expiration("ca", NOW, NOW + timedelta(days=3000))
    assert _certificates(monkeypatch, Expiration("apiserver", NOW, NOW + timedelta(days=1), "ca"), authorities=(ca,)) == FINE


def test_an_expired_certificate_is_named_with_its_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    found = _certificates(monkeypatch, Expiration("apiserver", NOW, NOW - timedelta(days=3), "ca"))
    assert found.errors == ("the certificate apiserver expired 3d ago: renew it with `pykubeadm certs renew apiserver`",)


def test_a_ca_that_ends_within_a_year_and_one_kept_elsewhere_are_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    ca = Expiration("ca", NOW, NOW + timedelta(days=100), external=True)
    found = _certificates(
        monkeypatch, Expiration("apiserver", NOW, NOW + timedelta(days=99), "ca", external=True), authorities=(ca,)
    )
    assert found.errors == ()
    assert found.warnings == (
        "the CA ca expires in 100d, and with it what it signs now",
        "the key of ca is kept elsewhere, so that the upgrade renews none of its certificates",
    )


def test_warns_of_an_addon_that_the_cluster_does_without() -> None:
    api = cluster("v1.35.6")
    for kind, version in (("DaemonSet", "apps/v1"), ("ConfigMap", "v1")):
        del api.objects[version, kind, "kube-system", "kube-proxy"]
    state = look_at(api)
    for disabled in (False, True):
        run, _ = upgrade_run(api, "v1.36.2", cluster={"proxy": Proxy(disabled=disabled)})
        (found, *_) = [check for check in cluster_checks(run, state, ()) if check.name == "AddonChanges"]
        warnings = found.look(_machine()).warnings
        assert len(warnings) == (0 if disabled else 1)
        assert disabled or "the cluster has no kube-proxy, and" in warnings[0]
