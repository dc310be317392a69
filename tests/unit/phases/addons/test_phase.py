"""What becomes of add-ons in an upgrade, and of what users changed in them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import yaml

from pykubeadm.addons.coredns import corefile
from pykubeadm.config.source import Source
from pykubeadm.errors import ConfigError, PhaseError
from pykubeadm.patches.files import read_patches
from pykubeadm.phases.addons.phase import addon
from pykubeadm.phases.addons.rendered import conflicts
from pykubeadm.phases.cluster.state import look_at
from pykubeadm.util.component_config import HASH_ANNOTATION
from pykubeadm.util.kube_object import KubeObject
from pykubeadm.util.yaml_output import to_yaml
from pykubeadm.workflow.events import Event, Note
from pykubeadm.workflow.phase import steps
from tests.support.api import FakeApi
from tests.support.init_runs import configuration
from tests.support.upgrade_plans import cluster, pod, upgrade_run


def _upgraded(api: FakeApi, target: str = "v1.36.2", **fields: Any) -> tuple[list[str], list[Event]]:
    """What the phase changed, once all API servers are at the target."""
    for key in list(api.objects):
        if key[1] == "Pod" and key[3].startswith("kube-"):
            component = key[3].rpartition("-")[0]
            api.put(pod(component, key[3].removeprefix(f"{component}-"), target))
    run, events = upgrade_run(api, target, **fields)
    changes: list[str] = []
    for step in steps((addon,)):
        if step.phase.when(run) and not (step.phase.check and step.phase.check(run)) and step.phase.apply:
            changes += step.phase.apply(run)
    return changes, events


def _changed(api: FakeApi, kind: str, name: str, change: Callable[[KubeObject], object]) -> None:
    key = next(key for key in api.objects if key[1] == kind and key[3] == name)
    change(api.objects[key])


def _object(api: FakeApi, kind: str, name: str) -> KubeObject:
    return next(document for key, document in api.objects.items() if key[1] == kind and key[3] == name)


def _container(document: KubeObject) -> dict[str, Any]:
    container: dict[str, Any] = document["spec"]["template"]["spec"]["containers"][0]
    return container


def test_what_nobody_touched_gets_the_images_of_the_new_version() -> None:
    api = cluster("v1.35.6")
    _changed(api, "Deployment", "coredns", lambda live: _container(live).update(image="registry.k8s.io/coredns/coredns:v1.13.1"))
    changes, _ = _upgraded(api)
    assert changes == ["updated Deployment kube-system/coredns", "updated DaemonSet kube-system/kube-proxy"]
    assert _container(_object(api, "Deployment", "coredns"))["image"] == "registry.k8s.io/coredns/coredns:v1.14.2"
    assert _container(_object(api, "DaemonSet", "kube-proxy"))["image"] == "registry.k8s.io/kube-proxy:v1.36.2"


def test_a_second_run_and_the_same_version_change_nothing() -> None:
    api = cluster("v1.35.6")
    _upgraded(api)
    assert _upgraded(api)[0] == []
    assert _upgraded(cluster("v1.36.2"), stored="v1.36.2")[0] == []


def test_what_users_changed_is_still_there_afterwards() -> None:
    api = cluster("v1.35.6")
    forwarding = corefile(configuration().cluster).replace("/etc/resolv.conf", "192.0.2.53")

    def scale(live: KubeObject) -> None:
        live["spec"]["replicas"] = 5
        live["metadata"]["labels"]["team"] = "dns"
        live["spec"]["template"]["spec"]["tolerations"].append({"key": "mine", "operator": "Exists"})
        _container(live)["resources"]["limits"]["memory"] = "1Gi"
        _container(live)["image"] = "registry.k8s.io/coredns/coredns:v1.13.1"

    def set_mode(live: KubeObject) -> None:
        live["data"]["config.conf"] = live["data"]["config.conf"].replace('mode: ""', "mode: nftables")
        live["metadata"].setdefault("annotations", {})["note"] = "by hand"

    _changed(api, "Deployment", "coredns", scale)
    _changed(api, "ConfigMap", "coredns", lambda live: live["data"].update(Corefile=forwarding))
    _changed(api, "ConfigMap", "kube-proxy", set_mode)
    _changed(api, "DaemonSet", "kube-proxy", lambda live: live["spec"]["template"]["spec"]["nodeSelector"].update(role="edge"))
    changes, _ = _upgraded(api)

    deployment = _object(api, "Deployment", "coredns")
    assert deployment["spec"]["replicas"] == 5
    assert deployment["metadata"]["labels"] == {"k8s-app": "kube-dns", "team": "dns"}
    assert {"key": "mine", "operator": "Exists"} in deployment["spec"]["template"]["spec"]["tolerations"]
    assert _container(deployment)["resources"]["limits"] == {"memory": "1Gi"}
    assert _container(deployment)["image"].endswith(":v1.14.2")
    assert _object(api, "ConfigMap", "coredns")["data"]["Corefile"] == forwarding
    config_map = _object(api, "ConfigMap", "kube-proxy")
    assert yaml.safe_load(config_map["data"]["config.conf"])["mode"] == "nftables"
    assert config_map["metadata"]["annotations"]["note"] == "by hand"
    daemon_set = _object(api, "DaemonSet", "kube-proxy")
    assert daemon_set["spec"]["template"]["spec"]["nodeSelector"] == {"kubernetes.io/os": "linux", "role": "edge"}
    assert _container(daemon_set)["image"].endswith(":v1.36.2")
    assert changes == ["updated Deployment kube-system/coredns", "updated DaemonSet kube-system/kube-proxy"]


def test_a_corefile_laid_out_in_another_way_is_the_old_default() -> None:
    api = cluster("v1.35.6")
    _changed(api, "ConfigMap", "coredns", lambda live: live["data"].update(Corefile=""))
    _upgraded(api)
    assert _object(api, "ConfigMap", "coredns")["data"]["Corefile"] == corefile(configuration().cluster)


@pytest.mark.parametrize(
    ("image", "reason"),
    [
        ("registry.k8s.io/coredns/coredns:v1.99.0", "newer than v1.14.2"),
        ("registry.k8s.io/coredns/coredns:v1.13.1-ours", "whose version is not known"),
        ("registry.example/dns:v1.13.1", "which is not of registry.k8s.io/coredns/coredns"),
    ],
)
def test_somebody_elses_image_of_coredns_stays_and_is_reported(image: str, reason: str) -> None:
    api = cluster("v1.35.6")
    _changed(api, "Deployment", "coredns", lambda live: _container(live).update(image=image))
    changes, events = _upgraded(api)
    assert changes == ["updated DaemonSet kube-system/kube-proxy"]
    assert _container(_object(api, "Deployment", "coredns"))["image"] == image
    assert any(isinstance(event, Note) and reason in event.message for event in events)


def test_a_pinned_tag_is_put_in_place() -> None:
    from pykubeadm.config.model import DNS

    api = cluster("v1.35.6")
    _upgraded(api, cluster={"dns": DNS(image_tag="v1.13.2")})
    assert _container(_object(api, "Deployment", "coredns"))["image"].endswith(":v1.13.2")


def test_what_both_sides_change_is_refused_before_anything_is_written() -> None:
    api = cluster("v1.35.6")
    _changed(api, "DaemonSet", "kube-proxy", lambda live: _container(live).update(image="registry.example/proxy:v1.35.6"))
    run, _ = upgrade_run(api, "v1.36.2")
    (found,) = conflicts(run, look_at(api))
    assert found == (
        "DaemonSet kube-system/kube-proxy: spec.template.spec.containers.kube-proxy.image:"
        ' was "registry.k8s.io/kube-proxy:v1.35.6",'
        ' is "registry.example/proxy:v1.35.6" by a change of yours, would become "registry.k8s.io/kube-proxy:v1.36.2"'
    )
    api.writes.clear()
    with pytest.raises(PhaseError, match="cannot be merged"):
        _upgraded(api)
    assert ("update", "DaemonSet", "kube-proxy") not in api.writes


def test_add_ons_are_left_to_the_last_control_plane() -> None:
    api = cluster("v1.35.6", names=("cp1", "cp2"))
    api.put(pod("kube-apiserver", "cp1", "v1.36.2"))
    run, _ = upgrade_run(api, "v1.36.2")
    (dns, proxy) = addon.phases
    assert dns.check is not None
    assert dns.check(run) == "left to the last control plane that is upgraded: cp2 is not at v1.36.2 yet"
    api.put(pod("kube-apiserver", "cp2", "v1.36.2"))
    assert proxy.check is not None
    assert proxy.check(run) is None


def test_the_last_control_plane_does_not_wait_for_its_own_pod_to_be_renewed_in_the_api() -> None:
    """Nobody would come after it."""
    api = cluster("v1.36.2", names=("cp1", "cp2"))
    api.put(pod("kube-apiserver", "cp1", "v1.35.6"))
    run, _ = upgrade_run(api, "v1.36.2")
    run.node.put("/etc/kubernetes/manifests/kube-apiserver.yaml", to_yaml(pod("kube-apiserver", "cp1", "v1.36.2")))
    for phase in addon.phases:
        assert phase.check is not None
        assert phase.check(run) is None


@pytest.mark.parametrize(
    ("images", "left"),
    [
        (("v1.36.2-fips", "v1.36.2-fips"), None),
        (("v1.36.2-fips", "v1.36.2"), None),
        (("v1.36.2_ours.1", "v1.36.2_ours.1"), None),
        (("v1.36.2-fips", "v1.35.6-fips"), "cp2"),
        (("v1.35.6", "v1.35.6"), "cp1, cp2"),
        (("ours", "ours"), None),
        (("ours", "another"), "cp2"),
    ],
)
def test_an_api_server_of_an_image_that_somebody_built_is_of_its_version(images: tuple[str, str], left: str | None) -> None:
    """Where the tag says none, it is that of this node's image."""
    api = cluster("v1.35.6", names=("cp1", "cp2"))
    for name, tag in zip(("cp1", "cp2"), images, strict=True):
        api.put(pod("kube-apiserver", name, tag))
    run, _ = upgrade_run(api, "v1.36.2")
    check = addon.phases[0].check
    assert check is not None
    said = check(run)
    assert said == (left and f"left to the last control plane that is upgraded: {left} is not at v1.36.2 yet")


def test_a_generated_configuration_stays_marked_as_such() -> None:
    api = cluster("v1.35.6")
    before = _object(api, "ConfigMap", "kube-proxy")["metadata"]["annotations"][HASH_ANNOTATION]
    _upgraded(api)
    assert _object(api, "ConfigMap", "kube-proxy")["metadata"]["annotations"][HASH_ANNOTATION] == before


def test_a_missing_object_is_made() -> None:
    api = cluster("v1.35.6")
    del api.objects[next(key for key in api.objects if key[1] == "Service")]
    assert "created Service kube-system/kube-dns" in _upgraded(api)[0]


def test_what_changes_meanwhile_is_merged_again() -> None:
    api = cluster("v1.35.6")
    replace = api.replace

    def scaled_just_before(document: KubeObject) -> KubeObject:
        if document["kind"] == "DaemonSet" and "seen" not in document["metadata"].get("labels", {}):
            live = _object(api, "DaemonSet", "kube-proxy")
            live["metadata"]["labels"]["seen"] = "yes"
            live["metadata"]["resourceVersion"] = "another"
        return replace(document)

    api.replace = scaled_just_before  # type: ignore[method-assign]
    _upgraded(api)
    found = _object(api, "DaemonSet", "kube-proxy")
    assert found["metadata"]["labels"]["seen"] == "yes"
    assert _container(found)["image"].endswith(":v1.36.2")


@pytest.mark.parametrize(
    ("target", "kind", "name"),
    [("corednsdeployment", "Deployment", "coredns"), ("kubeproxydaemonset", "DaemonSet", "kube-proxy")],
)
def test_a_patch_that_adds_to_a_list_adds_once(target: str, kind: str, name: str) -> None:
    operation = b"[{op: add, path: /spec/template/spec/tolerations/-, value: {key: mine, operator: Exists}}]"
    patches, _ = read_patches([Source(f"{target}+json.yaml", operation)])
    api = cluster("v1.35.6")
    for _ in range(2):
        _upgraded(api, patches=patches)
        tolerations = _object(api, kind, name)["spec"]["template"]["spec"]["tolerations"]
        assert tolerations.count({"key": "mine", "operator": "Exists"}) == 1


def test_a_patch_for_kube_proxy_is_merged_by_the_fields_of_a_daemonset() -> None:
    text = b"""
    spec:
      updateStrategy: {rollingUpdate: {maxUnavailable: 3}}
      template: {spec: {containers: [{name: kube-proxy, env: []}]}}
    """
    patches, _ = read_patches([Source("kubeproxydaemonset.yaml", text)])
    api = cluster("v1.35.6")
    _upgraded(api, patches=patches)
    found = _object(api, "DaemonSet", "kube-proxy")
    assert found["spec"]["updateStrategy"]["rollingUpdate"]["maxUnavailable"] == 3
    assert _container(found)["image"].endswith(":v1.36.2")
    wrong, _ = read_patches([Source("kubeproxydaemonset.yaml", b"spec: {minReadySeconds: soon}")])
    with pytest.raises(ConfigError, match=r"kubeproxydaemonset\.yaml:1:25"):
        _upgraded(cluster("v1.35.6"), patches=wrong)
