"""The phases beside the static pods: what is stored in the cluster, and the kubelet's files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest
import yaml

from pykubeadm.commands.upgrade.bootstrap_token import bootstrap_token
from pykubeadm.commands.upgrade.kubeconfig import kubeconfig
from pykubeadm.commands.upgrade.post_upgrade import post_upgrade
from pykubeadm.commands.upgrade.upload_config import upload_config
from pykubeadm.errors import PhaseError
from pykubeadm.node.port import Directory, File
from pykubeadm.phases.replacing.former_kubelet import OF_RECONFIGURE, OF_UPGRADE
from pykubeadm.phases.replacing.kubelet_config import kubelet_config
from pykubeadm.util.component_config import HASH_ANNOTATION, is_generated
from tests.support.api import FakeApi
from tests.support.init_runs import warnings
from tests.support.upgrade_runs import NEW, OLD, ControlPlaneNode, made, run_phase, upgrade_run

KUBELET = "/var/lib/kubelet/config.yaml"
INSTANCE = "/var/lib/kubelet/instance-config.yaml"
FLAGS = "/var/lib/kubelet/kubeadm-flags.env"
KUBEADM_CONFIG = ("v1", "ConfigMap", "kube-system", "kubeadm-config")
KUBELET_CONFIG = ("v1", "ConfigMap", "kube-system", "kubelet-config")


@pytest.fixture
def cluster() -> tuple[ControlPlaneNode, FakeApi]:
    return made()


def stored(api: FakeApi) -> dict:
    return yaml.safe_load(api.objects[KUBEADM_CONFIG]["data"]["ClusterConfiguration"])


def copies(node: ControlPlaneNode, kind: str) -> list[str]:
    return [path for path in node.files if path.startswith(f"/etc/kubernetes/tmp/{kind}-") and isinstance(node.files[path], File)]


def test_only_the_version_changes_in_what_is_stored(cluster: tuple[ControlPlaneNode, FakeApi]) -> None:
    node, api = cluster
    config_map = api.objects[KUBEADM_CONFIG]
    before = stored(api) | {"fieldOfTheFuture": {"a": 1}}
    config_map["data"] = {"ClusterConfiguration": yaml.safe_dump(before), "theirs": "kept"}
    config_map["metadata"]["labels"] = {"team": "a"}
    run_phase(upgrade_run(node, api)[0], upload_config)
    assert stored(api) == before | {"kubernetesVersion": NEW}
    assert api.objects[KUBEADM_CONFIG]["data"]["theirs"] == "kept"
    assert api.objects[KUBEADM_CONFIG]["metadata"]["labels"] == {"team": "a"}


def test_uploading_again_changes_nothing(cluster: tuple[ControlPlaneNode, FakeApi]) -> None:
    node, api = cluster
    run_phase(upgrade_run(node, api)[0], upload_config)
    api.writes.clear()
    assert run_phase(upgrade_run(node, api, stored=NEW)[0], upload_config) == []
    assert api.writes == []


def test_a_v1beta3_configuration_is_stored_as_v1beta4(cluster: tuple[ControlPlaneNode, FakeApi]) -> None:
    node, api = cluster
    api.objects[KUBEADM_CONFIG]["data"]["ClusterConfiguration"] = (
        f"apiVersion: kubeadm.k8s.io/v1beta3\nkind: ClusterConfiguration\nkubernetesVersion: {OLD}\n"
    )
    run_phase(upgrade_run(node, api)[0], upload_config)
    assert stored(api)["apiVersion"] == "kubeadm.k8s.io/v1beta4"
    assert stored(api)["kubernetesVersion"] == NEW


@pytest.mark.parametrize(
    ("gates", "target", "left", "algorithm"),
    [
        ({"PublicKeysECDSA": True, "RootlessControlPlane": True}, "v1.37.1", {"RootlessControlPlane": True}, "ECDSA-P256"),
        ({"PublicKeysECDSA": False}, "v1.37.1", None, "RSA-2048"),
        ({"PublicKeysECDSA": True}, NEW, {"PublicKeysECDSA": True}, None),
    ],
)
def test_gates_that_the_new_version_does_not_have_go(
    gates: dict[str, bool], target: str, left: dict[str, bool] | None, algorithm: str | None
) -> None:
    """kubeadm 1.37 would complain of them forever."""
    node, api = made(feature_gates=gates)
    algorithms = {"encryption_algorithm": algorithm} if algorithm else {}
    run_phase(upgrade_run(node, api, target, cluster={"feature_gates": gates} | algorithms)[0], upload_config)
    assert stored(api).get("featureGates") == left
    if algorithm:
        assert stored(api)["encryptionAlgorithm"] == algorithm


@pytest.mark.parametrize("by_hand", [True, False])
def test_the_kubelets_configuration_stays_and_so_does_its_mark(cluster: tuple[ControlPlaneNode, FakeApi], by_hand: bool) -> None:
    node, api = cluster
    config_map = api.objects[KUBELET_CONFIG]
    if by_hand:
        config_map["data"]["kubelet"] = config_map["data"]["kubelet"] + "maxPods: 50\n"
    else:  # as an older release made it, without what is new
        document = yaml.safe_load(config_map["data"]["kubelet"])
        del document["cgroupDriver"]
        config_map["data"]["kubelet"] = yaml.safe_dump(document)
        from pykubeadm.util.component_config import hash_annotation

        config_map["metadata"]["annotations"] = hash_annotation(config_map["data"])
    run_phase(upgrade_run(node, api)[0], upload_config)
    after = api.objects[KUBELET_CONFIG]
    document = yaml.safe_load(after["data"]["kubelet"])
    assert document["cgroupDriver"] == "systemd"
    assert (document.get("maxPods") == 50) is by_hand
    assert is_generated(after["metadata"]["annotations"], after["data"]) is not by_hand
    assert HASH_ANNOTATION in after["metadata"]["annotations"]


def test_the_sockets_annotation_of_older_kubeadms_goes(cluster: tuple[ControlPlaneNode, FakeApi]) -> None:
    node, api = cluster
    annotations = {"kubeadm.alpha.kubernetes.io/cri-socket": "unix:///a.sock", "theirs": "kept"}
    api.objects["v1", "Node", "", "cp1"]["metadata"]["annotations"] = annotations
    changes = run_phase(upgrade_run(node, api)[0], upload_config)
    assert api.objects["v1", "Node", "", "cp1"]["metadata"]["annotations"] == {"theirs": "kept"}
    assert any("Node cp1" in change for change in changes)


def test_the_rights_of_nodes_that_join_are_made_once(cluster: tuple[ControlPlaneNode, FakeApi]) -> None:
    node, api = cluster
    assert "created ClusterRole kubeadm:get-nodes" in run_phase(upgrade_run(node, api)[0], bootstrap_token)
    assert run_phase(upgrade_run(node, api)[0], bootstrap_token) == []


def test_the_kubelet_gets_the_clusters_configuration_and_the_former_is_kept(
    cluster: tuple[ControlPlaneNode, FakeApi],
) -> None:
    node, api = cluster
    before = node.text(KUBELET)
    api.objects[KUBELET_CONFIG]["data"]["kubelet"] += "maxPods: 50\n"
    run, events = upgrade_run(node, api)
    changes = run_phase(run, kubelet_config)
    after = yaml.safe_load(node.text(KUBELET))
    assert after["maxPods"] == 50
    assert after["containerRuntimeEndpoint"] == "unix:///var/run/containerd/containerd.sock"
    (copy,) = copies(node, "kubeadm-kubelet-config")
    assert node.text(copy) == before
    assert f"wrote {KUBELET}" in changes
    assert any("+maxPods: 50" in warning for warning in warnings(events))
    assert run_phase(upgrade_run(node, api)[0], kubelet_config) == []
    assert node.unit_actions == []  # it reads its files when it starts next


def test_the_files_of_a_kubelet_that_is_replaced_are_kept_by_the_first_run(cluster: tuple[ControlPlaneNode, FakeApi]) -> None:
    """A later one finds those that are not proven yet."""
    node, api = cluster
    before, flags = node.text(KUBELET), 'KUBELET_KUBEADM_ARGS="--pod-infra-container-image=pause:3.10"\n'
    node.put(FLAGS, flags)
    document = api.objects[KUBELET_CONFIG]["data"]["kubelet"]
    for pods in (50, 60):
        api.objects[KUBELET_CONFIG]["data"]["kubelet"] = f"{document}maxPods: {pods}\n"
        run = upgrade_run(node, api, replaces_kubelet=True)[0]
        run_phase(run, kubelet_config)
        run_phase(run, post_upgrade)
    assert "maxPods: 60" in node.text(KUBELET)
    assert (node.text(f"{OF_UPGRADE}{KUBELET}"), node.text(f"{OF_UPGRADE}{FLAGS}")) == (before, flags)


def test_without_the_kubelet_nothing_is_kept(cluster: tuple[ControlPlaneNode, FakeApi]) -> None:
    """What an interrupted run has kept would be older than the kubelet that somebody brings then."""
    node, api = cluster
    api.objects[KUBELET_CONFIG]["data"]["kubelet"] += "maxPods: 50\n"
    run_phase(upgrade_run(node, api, replaces_kubelet=True)[0], kubelet_config)
    assert node.stat(OF_UPGRADE) is not None
    node.put(f"{OF_RECONFIGURE}{KUBELET}", "maxPods: 110")
    run_phase(upgrade_run(node, api)[0], kubelet_config)
    assert node.stat(OF_UPGRADE) is None
    assert node.stat(f"{OF_RECONFIGURE}{KUBELET}") is not None, "`reconfigure` was killed, and may have to go back to it"


def test_what_was_changed_on_this_node_alone_is_shown(cluster: tuple[ControlPlaneNode, FakeApi]) -> None:
    node, api = cluster
    node.put(KUBELET, node.text(KUBELET) + "serializeImagePulls: false\n")
    run, events = upgrade_run(node, api)
    run_phase(run, kubelet_config)
    (warning,) = warnings(events)
    assert "-serializeImagePulls: false" in warning
    assert "kubeletconfiguration" in warning


def test_what_this_tool_wrote_changes_without_a_word(cluster: tuple[ControlPlaneNode, FakeApi]) -> None:
    node, api = cluster
    run, events = upgrade_run(node, api)
    run.node.write([File(KUBELET, node.text(KUBELET).encode())])  # as `init` did
    api.objects[KUBELET_CONFIG]["data"]["kubelet"] += "maxPods: 50\n"
    run_phase(run, kubelet_config)
    assert warnings(events) == []


def test_the_runtimes_endpoint_moves_from_the_flags_into_its_file(cluster: tuple[ControlPlaneNode, FakeApi]) -> None:
    node, api = cluster
    node.remove([INSTANCE])
    flags = '--node-ip=10.0.0.9 --container-runtime-endpoint=unix:///run/crio/crio.sock --node-labels=a=\\"b\\"'
    node.put(FLAGS, f'KUBELET_KUBEADM_ARGS="{flags}"\n', 0o640)
    run_phase(upgrade_run(node, api)[0], kubelet_config)
    assert yaml.safe_load(node.text(INSTANCE)) == {"containerRuntimeEndpoint": "unix:///run/crio/crio.sock"}
    assert yaml.safe_load(node.text(KUBELET))["containerRuntimeEndpoint"] == "unix:///run/crio/crio.sock"
    assert "container-runtime-endpoint" not in node.text(FLAGS)
    assert "--node-ip=10.0.0.9" in node.text(FLAGS)
    assert run_phase(upgrade_run(node, api)[0], kubelet_config) == []


def test_a_node_of_no_cluster_is_refused(cluster: tuple[ControlPlaneNode, FakeApi]) -> None:
    node, api = cluster
    node.remove([KUBELET])
    with pytest.raises(PhaseError, match=r"config\.yaml does not exist.*join"):
        run_phase(upgrade_run(node, api)[0], kubelet_config)


def test_flags_that_the_new_kubelet_refuses_go(cluster: tuple[ControlPlaneNode, FakeApi]) -> None:
    node, api = cluster
    before = 'KUBELET_KUBEADM_ARGS="--pod-infra-container-image=pause:3.10 --node-ip=10.0.0.9"\n'
    node.put(FLAGS, before)
    (change,) = run_phase(upgrade_run(node, api)[0], post_upgrade)
    assert "--pod-infra-container-image" in change
    assert node.text(FLAGS) == 'KUBELET_KUBEADM_ARGS="--node-ip=10.0.0.9"\n'
    (copy,) = copies(node, "kubeadm-kubelet-env")
    assert node.text(copy) == before
    assert run_phase(upgrade_run(node, api)[0], post_upgrade) == []


@pytest.mark.parametrize("content", ["", "KUBELET_KUBEADM_ARGS=\n", 'KUBELET_KUBEADM_ARGS=""\n'])
def test_no_flags_are_no_trouble(cluster: tuple[ControlPlaneNode, FakeApi], content: str) -> None:
    node, api = cluster
    node.put(FLAGS, content)
    assert run_phase(upgrade_run(node, api)[0], post_upgrade) == []


@pytest.mark.parametrize(
    ("server", "shared", "changes"),
    [
        ("https://lb.example.com:6443", "lb.example.com:6443", True),
        ("https://other.example.com:6443", "lb.example.com:6443", False),
        ("https://10.0.0.9:6443", "10.0.0.9:6443", False),
    ],
)
def test_the_kubelet_of_a_control_plane_speaks_to_its_own_api_server(
    cluster: tuple[ControlPlaneNode, FakeApi], server: str, shared: str, changes: bool
) -> None:
    node, api = cluster
    path = "/etc/kubernetes/kubelet.conf"
    before = yaml.safe_load(node.text(path))
    before["clusters"][0]["cluster"]["server"] = server
    node.put(path, yaml.safe_dump(before), 0o600)
    run = upgrade_run(node, api, cluster={"control_plane_endpoint": shared})[0]
    assert bool(run_phase(run, kubeconfig)) is changes
    after = yaml.safe_load(node.text(path))
    assert after["clusters"][0]["cluster"]["server"] == ("https://10.0.0.9:6443" if changes else server)
    assert node.unit_actions == ([("kubelet", "stopped"), ("kubelet", "started")] if changes else [])
    assert replace(run.configuration).cluster.control_plane_endpoint == shared


@pytest.mark.parametrize("written", [False, True])
def test_killed_while_kubelet_conf_changes_the_next_run_starts_the_kubelet(
    cluster: tuple[ControlPlaneNode, FakeApi], monkeypatch: pytest.MonkeyPatch, written: bool
) -> None:
    node, api = cluster
    path, shared = "/etc/kubernetes/kubelet.conf", {"control_plane_endpoint": "lb.example.com:6443"}
    node.put(path, node.text(path).replace("https://10.0.0.9:6443", "https://lb.example.com:6443"), 0o600)
    write = ControlPlaneNode.write

    def killed(self: ControlPlaneNode, files: Sequence[File | Directory]) -> tuple[str, ...]:
        if not any(file.path == path for file in files):
            return write(self, files)
        if written:
            write(self, files)
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(ControlPlaneNode, "write", killed)
        with pytest.raises(KeyboardInterrupt):
            run_phase(upgrade_run(node, api, cluster=shared)[0], kubeconfig)
    assert node.units["kubelet"].active == "inactive", "it would go on with the former server"
    run_phase(upgrade_run(node, api, cluster=shared)[0], kubeconfig)
    assert node.units["kubelet"].active == "active"
    assert "https://10.0.0.9:6443" in node.text(path)
