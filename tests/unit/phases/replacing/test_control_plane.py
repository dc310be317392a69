"""The static pods of a control plane: at the new version, or as they were where something is in the way."""

from __future__ import annotations

import hashlib
import itertools
import time
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import Any

import pytest

from pykubeadm.errors import PhaseError
from pykubeadm.etcd.client import Member
from pykubeadm.kube.port import ApiUnreachableError
from pykubeadm.node.cri import Cri
from pykubeadm.node.port import UnitState
from pykubeadm.phases.replacing.control_plane import control_plane
from pykubeadm.phases.replacing.record import PATH, read_record
from tests.support.init_runs import warnings
from tests.support.upgrade_runs import (
    COMPONENTS,
    LATER,
    MANIFESTS,
    NEW,
    OLD,
    ControlPlaneNode,
    FakeEtcd,
    cluster_of,
    images,
    other_members,
    run_phase,
    secrets,
    upgrade_run,
    upgraded,
)


def breaks(node: ControlPlaneNode, name: str, text: str = NEW) -> None:
    """The component does not become healthy with a manifest that has this text."""
    node.ails = lambda other, manifest: "it crashed" if other == name and text in manifest else ""


def test_every_component_gets_the_new_version_in_the_order_they_need_each_other(node: ControlPlaneNode) -> None:
    changes = [change for change in upgraded(node) if "renewed" not in change]
    assert [change.partition(":")[0] for change in changes] == ["took a snapshot of etcd", *COMPONENTS]
    assert changes[2] == f"kube-apiserver: {OLD} → {NEW}"
    assert images(node) == {NEW, "3.6.8-0"}
    assert read_record(node) is None


def test_a_second_run_changes_nothing(node: ControlPlaneNode) -> None:
    upgraded(node)
    before = dict(node.files)
    assert upgraded(node) == []
    assert node.files == before


def test_certificates_go_with_the_components_that_change(node: ControlPlaneNode) -> None:
    before = secrets(node)
    upgraded(node)
    assert {path for path, content in secrets(node).items() if path in before and before[path] == content} == {
        f"/etc/kubernetes/pki/{name}"
        for name in ("ca.crt", "ca.key", "front-proxy-ca.crt", "front-proxy-ca.key", "etcd/ca.crt", "etcd/ca.key", "sa.key")
    } | {"/etc/kubernetes/kubelet.conf"}


def test_etcds_certificates_go_with_the_api_server_where_etcd_stays(node: ControlPlaneNode) -> None:
    upgraded(node)
    manifests = node.manifests()
    before = {path: content for path, content in secrets(node).items() if path.startswith("/etc/kubernetes/")}
    breaks(node, "kube-apiserver", "v1.36.1")
    with pytest.raises(PhaseError, match=f"runs {NEW} as before"):
        upgraded(node, target="v1.36.1")
    assert {path: secrets(node)[path] for path in before} == before
    node.ails = lambda _name, _manifest: ""
    upgraded(node, target="v1.36.1", etcd_upgrade=False)
    assert not _etcds(before, secrets(node))
    upgraded(node)
    pairs = ("server", "peer", "healthcheck-client")
    assert _etcds(before, secrets(node)) == {f"/etc/kubernetes/pki/etcd/{pair}.{end}" for pair in pairs for end in ("crt", "key")}
    assert node.manifests() == manifests


def _etcds(before: dict[str, bytes], after: dict[str, bytes]) -> set[str]:
    """Those of etcd that changed."""
    return {path for path in before if "/etcd/" in path and after[path] != before[path]}


def test_without_certificate_renewal_they_stay(node: ControlPlaneNode) -> None:
    before = secrets(node)
    upgraded(node, certificate_renewal=False)
    assert secrets(node) == before


def test_without_etcd_upgrade_etcd_is_not_touched(node: ControlPlaneNode, etcd: FakeEtcd) -> None:
    etcd.ailments = {1: "dead"}
    before = node.text(f"{MANIFESTS}/etcd.yaml")
    upgraded(node, etcd_upgrade=False)
    assert node.text(f"{MANIFESTS}/etcd.yaml") == before
    assert images(node) == {NEW, "3.6.6-0"}


def test_etcd_never_gets_older(node: ControlPlaneNode) -> None:
    text = node.text(f"{MANIFESTS}/etcd.yaml").replace("etcd:3.6.6-0", "etcd:3.7.0-0")
    node.put(f"{MANIFESTS}/etcd.yaml", text, 0o600)
    run, events = upgrade_run(node, cluster_of())
    run_phase(run, control_plane)
    assert node.text(f"{MANIFESTS}/etcd.yaml") == text
    assert any("etcd stays at 3.7.0-0" in warning for warning in warnings(events))


def test_the_members_that_etcd_joined_stay_in_its_manifest(node: ControlPlaneNode) -> None:
    path = f"{MANIFESTS}/etcd.yaml"
    joined = "--initial-cluster=cp0=https://10.0.0.8:2380,cp1=https://10.0.0.9:2380\n    - --initial-cluster-state=existing"
    node.put(path, node.text(path).replace("--initial-cluster=cp1=https://10.0.0.9:2380", joined), 0o600)
    upgraded(node)
    assert joined in node.text(path)


@pytest.mark.parametrize("name", COMPONENTS)
def test_what_does_not_become_healthy_is_put_back_with_all_before_it(node: ControlPlaneNode, name: str) -> None:
    manifests, kept = node.manifests(), secrets(node)
    breaks(node, name, "3.6.8-0" if name == "etcd" else NEW)
    with pytest.raises(PhaseError) as raised:
        upgraded(node)
    sentence = str(raised.value).splitlines()[0]
    assert name in sentence
    assert "it crashed" in sentence
    assert f"this control plane runs {OLD} as before" in sentence
    assert node.manifests() == manifests
    assert {path: secrets(node)[path] for path in kept} == kept
    assert read_record(node) is None


def test_that_all_runs_as_before_is_said_once_the_api_server_has_come_back_to_etcd(node: ControlPlaneNode) -> None:
    def ails(name: str, manifest: str) -> str:
        if name == "etcd":
            return "it crashed" if "3.6.8-0" in manifest else ""
        return "etcd failed" if name == "kube-apiserver" else ""

    node.ails = ails
    with pytest.raises(PhaseError, match=r"not everything could be put back(.|\n)*kube-apiserver \(etcd failed\)"):
        upgraded(node)
    node.ails = lambda _name, _manifest: ""
    with pytest.raises(PhaseError, match=f"runs {OLD} as before"):
        upgraded(node)


def test_an_api_server_that_does_not_come_back_to_a_changed_etcd_has_all_put_back(node: ControlPlaneNode) -> None:
    """Also where it stays as it is itself, and others than etcd change, too."""
    upgraded(node)
    before = node.manifests()
    for name in ("etcd", "kube-scheduler"):
        node.put(f"{MANIFESTS}/{name}.yaml", before[name].replace("    - --", "    - --v=4\n    - --", 1), 0o600)
    before = node.manifests()
    node.ails = lambda name, _manifest: "etcd refused" if name == "kube-apiserver" and node.manifests() != before else ""
    with pytest.raises(PhaseError, match=rf"kube-apiserver \(etcd refused\); everything .* put back.*runs {NEW} as before"):
        upgraded(node)
    assert node.manifests() == before
    assert read_record(node) is None


def test_an_etcd_of_another_minor_version_that_was_healthy_stays(node: ControlPlaneNode) -> None:
    """It would have to read data of the newer one."""
    path = f"{MANIFESTS}/etcd.yaml"
    node.put(path, node.text(path).replace("etcd:3.6.6-0", "etcd:3.5.26-0"), 0o600)
    manifests, kept = node.manifests(), secrets(node)
    breaks(node, "kube-scheduler")
    with pytest.raises(PhaseError, match=rf"put back but for etcd, which stays at its new version, .* runs {OLD} as before"):
        upgraded(node)
    assert {name for name, text in node.manifests().items() if text != manifests[name]} == {"etcd"}
    assert "etcd:3.6.8-0" in node.text(path)
    pairs = [f"/etc/kubernetes/pki/etcd/{base}" for base in ("server", "peer", "healthcheck-client")]
    changed = {path for path in kept if secrets(node)[path] != kept[path]}
    assert changed == {f"{pair}.{end}" for pair in pairs for end in ("crt", "key")}


def test_after_what_was_in_the_way_is_gone_the_same_command_succeeds(node: ControlPlaneNode) -> None:
    breaks(node, "kube-scheduler")
    with pytest.raises(PhaseError):
        upgraded(node)
    node.ails = lambda _name, _manifest: ""
    upgraded(node)
    assert images(node) == {NEW, "3.6.8-0"}


def test_what_cannot_be_put_back_is_named_and_the_next_run_goes_on_with_it(node: ControlPlaneNode) -> None:
    before = node.manifests()
    node.ails = lambda name, _manifest: "it crashed" if name == "kube-scheduler" else ""
    with pytest.raises(PhaseError, match="not everything could be put back") as raised:
        upgraded(node)
    assert "kube-scheduler" in str(raised.value)
    assert PATH in str(raised.value)
    node.ails = lambda _name, _manifest: ""
    with pytest.raises(PhaseError, match=f"runs {OLD} as before"):
        upgraded(node)
    assert node.manifests() == before
    upgraded(node)
    assert images(node) == {NEW, "3.6.8-0"}


def test_an_image_that_cannot_be_had_stops_it_before_anything_changes(node: ControlPlaneNode) -> None:
    node.missing_images = (f"registry.k8s.io/kube-scheduler:{NEW}",)
    before = dict(node.files)
    with pytest.raises(PhaseError, match=rf"nothing was changed.*kube-scheduler:{NEW}"):
        upgraded(node)
    assert node.files == before


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"ailments": {1: "it sees no leader"}}, "this node's member is not healthy: it sees no leader"),
        ({"all": (Member(2, "cp2", ("https://10.0.0.2:2380",)),)}, "is not among its members"),
    ],
)
def test_an_etcd_that_is_not_healthy_is_not_changed(
    node: ControlPlaneNode, etcd: FakeEtcd, fields: dict[str, Any], said: str
) -> None:
    for name, value in fields.items():
        setattr(etcd, name, value)
    before = dict(node.files)
    with pytest.raises(PhaseError, match=said):
        upgraded(node)
    assert node.files == before


def test_with_a_learner_or_without_a_majority_etcd_is_not_changed(node: ControlPlaneNode, etcd: FakeEtcd) -> None:
    other = Member(2, "cp2", ("https://10.0.0.2:2380",), ("https://10.0.0.2:2379",))
    third = Member(3, "cp3", ("https://10.0.0.3:2380",), ("https://10.0.0.3:2379",))
    etcd.all = (*etcd.all, other, replace(third, learner=True))
    with pytest.raises(PhaseError, match=r"learner cp3 .*does not vote yet"):
        upgraded(node)
    etcd.all = (*etcd.all[:2], third)
    etcd.ailments = {2: "connection refused"}
    with pytest.raises(PhaseError, match=r"it would have no majority.*cp2 .*connection refused"):
        upgraded(node)


def test_a_damaged_snapshot_stops_it_and_is_not_kept(node: ControlPlaneNode, etcd: FakeEtcd) -> None:
    etcd.database = etcd.database[:-40]
    before = node.manifests()
    with pytest.raises(PhaseError, match="SHA-256 does not match"):
        upgraded(node)
    assert node.manifests() == before
    assert [path for path in node.files if path.endswith("snapshot.db")] == []


def test_too_little_space_for_the_snapshot_stops_it(node: ControlPlaneNode) -> None:
    from tests.support.node import completed

    node.commands["df"] = completed("Avail\n100\n")
    with pytest.raises(PhaseError, match="free some space"):
        upgraded(node)


def test_a_stopped_kubelet_stops_it(node: ControlPlaneNode) -> None:
    node.units["kubelet"] = UnitState("loaded", "inactive", "dead", "enabled")
    with pytest.raises(PhaseError, match="systemctl start kubelet"):
        upgraded(node)


def test_a_kubelet_that_is_just_starting_does_not(node: ControlPlaneNode) -> None:
    node.units["kubelet"] = UnitState("loaded", "activating", "auto-restart", "enabled")
    upgraded(node)
    assert images(node) == {NEW, "3.6.8-0"}


def test_the_api_server_is_ended_before_it_is_replaced_together_with_its_etcd(
    node: ControlPlaneNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended: list[tuple[str, set[str]]] = []
    monkeypatch.setattr(Cri, "stop", lambda _cri, container: ended.append((container.name, images(node))))
    upgraded(node)
    assert ended == [("kube-apiserver", {OLD, "3.6.6-0"})]


def test_the_api_server_is_put_back_together_with_its_etcd_and_awaited_after_it(node: ControlPlaneNode) -> None:
    asked: list[tuple[str, bool, bool]] = []

    def ails(name: str, manifest: str) -> str:
        manifests = node.manifests()
        asked.append((name, "3.6.8-0" in manifests["etcd"], NEW in manifests["kube-apiserver"]))
        return "it crashed" if name == "etcd" and "3.6.8-0" in manifest else ""

    node.ails = ails
    with pytest.raises(PhaseError, match=f"runs {OLD} as before"):
        upgraded(node)
    assert list(dict.fromkeys(asked)) == [("etcd", True, True), ("etcd", False, False), ("kube-apiserver", False, False)]


@pytest.mark.parametrize("jumps", [0, 10, -10])
@pytest.mark.parametrize(("active", "kept"), [("active", True), ("activating", False)])
def test_a_pod_that_is_the_same_to_the_kubelet_is_up_to_date_after_a_minute(
    node: ControlPlaneNode, monkeypatch: pytest.MonkeyPatch, active: str, kept: bool, jumps: int
) -> None:
    """As with a field that only says what is the default anyway. Unless nobody looks at the manifests. Whether the clock is set
    meanwhile does not matter."""
    upgraded(node)
    path = f"{MANIFESTS}/kube-scheduler.yaml"
    wanted = node.text(path)
    node.put(path, wanted.replace("spec:\n", "spec:\n  dnsPolicy: ClusterFirst\n", 1), 0o600)
    edited, same = node.text(path), list(node._containers())
    assert edited != wanted
    monkeypatch.setattr(node, "_containers", lambda: iter(same))
    node.units["kubelet"] = UnitState("loaded", active, "", "enabled")
    seconds, minutes = itertools.count(), itertools.count()
    monkeypatch.setattr(time, "monotonic", lambda: float(next(seconds)))
    run, _ = upgrade_run(node, cluster_of(), now=lambda: LATER + timedelta(minutes=next(minutes) * jumps))
    monkeypatch.setattr("pykubeadm.phases.waiting.wait", partial(_looks, 90))
    if kept:
        run_phase(run, control_plane)
        assert node.text(path) == wanted
        assert next(seconds) > 60
        return
    with pytest.raises(PhaseError, match="the kubelet has not replaced it yet"):
        run_phase(run, control_plane)


def _looks(number: int, *given: Any, **_rest: object) -> None:
    """In place of `wait`: that many looks."""
    for name, look in given[2].items():
        reasons = itertools.islice(iter(look, None), number)
        if len(found := list(reasons)) == number:
            raise PhaseError(f"{name} ({found[-1]})")


def test_without_crictl_the_mirror_pods_say_what_runs(node: ControlPlaneNode) -> None:
    del node.commands["crictl"]
    api = cluster_of()
    run, events = upgrade_run(node, api)
    for name in COMPONENTS:
        api.put(mirror(name, "before"))

    def follow(name: str, _manifest: str) -> str:
        """The kubelet has replaced the pod by the time that it is asked."""
        api.put(mirror(name, "after"))
        return ""

    node.ails = follow
    run_phase(run, control_plane)
    assert images(node) == {NEW, "3.6.8-0"}
    assert any("whether the images are here is not known" in warning for warning in warnings(events))


def test_without_crictl_an_api_server_that_breaks_is_put_back(node: ControlPlaneNode, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody says which pod runs then; the one of the former manifest can be seen once that is in place."""
    del node.commands["crictl"]
    api, before = cluster_of(), node.manifests()
    for name in COMPONENTS:
        api.put(mirror(name, "before"))
    get = api.get

    def broken_get(*key: str) -> Any:
        if node.manifests()["kube-apiserver"] != before["kube-apiserver"]:
            raise ApiUnreachableError("connection refused")
        return get(*key)

    monkeypatch.setattr(api, "get", broken_get)
    breaks(node, "kube-apiserver")
    with pytest.raises(PhaseError, match=rf"kube-apiserver \(it crashed\); everything .* put back.*runs {OLD} as before"):
        run_phase(upgrade_run(node, api, etcd_upgrade=False)[0], control_plane)
    assert node.manifests() == before


def mirror(name: str, uid: str) -> dict[str, Any]:
    annotations = {"kubernetes.io/config.hash": uid}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": f"{name}-cp1", "namespace": "kube-system", "annotations": annotations},
        "status": {"containerStatuses": [{"state": {"running": {}}}]},
    }


class Moved:
    """An etcd whose data the former version cannot read until they are those of the snapshot."""

    def __init__(self, node: ControlPlaneNode, monkeypatch: pytest.MonkeyPatch) -> None:
        self.restored: list[str] = []
        self.restarted: list[str] = []
        node.ails = lambda name, _manifest: "" if name != "etcd" or self.restored else "it cannot read its data"
        monkeypatch.setattr("pykubeadm.phases.etcd.restore.restore_snapshot", self._restore)
        monkeypatch.setattr("pykubeadm.phases.static_pods.restart.restart_components", self._restart)

    def _restore(self, _run: object, _pod: object, snapshot: str, _phase: str) -> str:
        self.restored.append(snapshot)
        return "/var/lib/etcd/member-removed-1"

    def _restart(self, _run: object, components: tuple[str, ...], **_rest: str) -> list[str]:
        self.restarted += components
        return []


def test_where_the_former_etcd_cannot_read_its_data_they_are_the_snapshots(
    node: ControlPlaneNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = node.manifests()
    moved = Moved(node, monkeypatch)
    run, events = upgrade_run(node, cluster_of())
    with pytest.raises(PhaseError, match=f"runs {OLD} as before"):
        run_phase(run, control_plane)
    (snapshot,) = moved.restored
    assert node.stat(snapshot) is not None
    assert moved.restarted == ["kube-apiserver"]
    assert node.manifests() == before
    assert any("what was written since is lost, and kept in /var/lib/etcd/member-removed-1" in text for text in warnings(events))


def killed_before_manifests_change(node: ControlPlaneNode, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run that has taken its snapshot by then."""

    def interrupt(*_given: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("pykubeadm.phases.replacing.static_pod.write_manifests", interrupt)
        with pytest.raises(KeyboardInterrupt):
            upgraded(node)


def test_a_run_that_continues_before_etcd_was_changed_takes_the_snapshot_again(
    node: ControlPlaneNode, etcd: FakeEtcd, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was written while nobody ran the command again must not be lost to an old snapshot."""

    killed_before_manifests_change(node, monkeypatch)
    etcd.database = b"\2" * 512 + hashlib.sha256(b"\2" * 512).digest()
    moved = Moved(node, monkeypatch)
    with pytest.raises(PhaseError, match=f"runs {OLD} as before"):
        upgraded(node, now=lambda: LATER + timedelta(days=3))
    (snapshot,) = moved.restored
    assert node.read(snapshot) == etcd.database


def test_a_member_of_a_cluster_that_grew_meanwhile_does_not_get_an_old_copy(
    node: ControlPlaneNode, etcd: FakeEtcd, monkeypatch: pytest.MonkeyPatch
) -> None:
    killed_before_manifests_change(node, monkeypatch)
    etcd.all = (*etcd.all, *other_members())
    moved = Moved(node, monkeypatch)
    with pytest.raises(PhaseError, match="the other 2 members have them"):
        upgraded(node)
    assert moved.restored == []


def test_a_run_that_continues_after_etcd_was_changed_keeps_the_snapshot(node: ControlPlaneNode, etcd: FakeEtcd) -> None:
    """The former etcd could not read a snapshot of the new one's data."""

    def interrupt(_name: str, _manifest: str) -> str:
        raise KeyboardInterrupt

    node.ails = interrupt
    with pytest.raises(KeyboardInterrupt):
        upgraded(node)
    etcd.database = b"\2" * 512 + hashlib.sha256(b"\2" * 512).digest()
    node.ails = lambda _name, _manifest: ""
    assert not any("snapshot" in change for change in upgraded(node))


def test_data_that_are_gone_are_put_back_before_etcd_is_started(node: ControlPlaneNode, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run that was killed while it put them in place: without, etcd would begin an empty cluster."""
    breaks(node, "kube-scheduler", "kube-scheduler")
    with pytest.raises(PhaseError, match="not everything could be put back"):
        upgraded(node)
    record = read_record(node)
    assert record is not None
    assert record.restoring
    node.remove(["/var/lib/etcd/member"])
    moved = Moved(node, monkeypatch)
    with pytest.raises(PhaseError, match=f"runs {OLD} as before"):
        upgraded(node)
    assert moved.restored == [record.snapshot]


def test_one_of_several_members_does_not_get_an_old_copy_of_its_data(
    node: ControlPlaneNode, etcd: FakeEtcd, monkeypatch: pytest.MonkeyPatch
) -> None:
    etcd.all = (*etcd.all, *other_members())
    moved = Moved(node, monkeypatch)
    with pytest.raises(PhaseError, match=r"the other 2 members have them: take this node out .*join again") as raised:
        upgraded(node)
    assert "not everything could be put back" in str(raised.value)
    assert moved.restored == []


def test_a_run_that_goes_on_looks_for_reasons_from_when_the_manifest_was_written(node: ControlPlaneNode) -> None:
    """What the kubelet's log holds of an earlier trouble is no reason to give up, what came since is."""

    def interrupt(name: str, _manifest: str) -> str:
        if name == "kube-apiserver":
            raise KeyboardInterrupt
        return ""

    node.ails = interrupt
    with pytest.raises(KeyboardInterrupt):
        upgraded(node)
    node.ails = lambda _name, _manifest: ""
    run, _events = upgrade_run(node, cluster_of(), now=lambda: LATER + timedelta(hours=1))
    run_phase(run, control_plane)
    assert run.replaced["kube-apiserver"] == LATER
    assert run.replaced["kube-scheduler"] == LATER + timedelta(hours=1)
