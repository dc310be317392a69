from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from pykubeadm.commands.init.etcd import etcd
from pykubeadm.config.model import Etcd, ExternalEtcd, Patches
from pykubeadm.errors import NodeError, PhaseError
from pykubeadm.node.local import LocalNode
from pykubeadm.node.port import Directory
from pykubeadm.phases.kubelet.files import kubelet_files
from pykubeadm.phases.static_pods.control_plane import control_plane
from tests.support.init_runs import configuration, init_run, perform, warnings
from tests.support.node import FakeNode

MANIFESTS = "/etc/kubernetes/manifests"


def test_manifests_are_for_root_only_and_a_second_run_changes_nothing() -> None:
    node = FakeNode()
    perform(init_run(node)[0], etcd, control_plane)
    assert node.stat(MANIFESTS) is not None
    assert {path: file.mode for path, file in node.files.items() if path.startswith("/etc/kubernetes/manifests")} == {
        MANIFESTS: 0o700,
        **{f"{MANIFESTS}/{name}.yaml": 0o600 for name in ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler")},
    }
    assert node.files["/var/lib/etcd"] == Directory("/var/lib/etcd", 0o700)
    assert perform(init_run(node)[0], etcd, control_plane) == []


def test_a_directory_that_is_there_keeps_its_mode() -> None:
    node = FakeNode()
    node.write([Directory(MANIFESTS, 0o755)])
    perform(init_run(node)[0], etcd)
    assert node.files[MANIFESTS].mode == 0o755


def test_a_manifest_that_says_the_same_in_other_words_is_left_alone() -> None:
    node = FakeNode()
    perform(init_run(node)[0], etcd)
    path = f"{MANIFESTS}/etcd.yaml"
    other_words = yaml.safe_dump(yaml.safe_load(node.text(path)), default_flow_style=True)
    node.put(path, other_words, 0o600)
    assert perform(init_run(node)[0], etcd) == []
    assert node.text(path) == other_words


def test_a_damaged_manifest_is_written_again() -> None:
    node = FakeNode()
    perform(init_run(node)[0], etcd)
    node.put(f"{MANIFESTS}/etcd.yaml", "{half: [a", 0o600)
    perform(init_run(node)[0], etcd)
    assert yaml.safe_load(node.text(f"{MANIFESTS}/etcd.yaml"))["kind"] == "Pod"


def test_an_external_etcd_gets_no_manifest() -> None:
    node = FakeNode()
    external = Etcd(external=ExternalEtcd(endpoints=("https://10.0.0.7:2379",)))
    perform(init_run(node, configuration(etcd=external))[0], etcd)
    assert node.files == {}


def test_patches_are_read_from_the_node_in_the_order_of_their_names() -> None:
    node = FakeNode()
    node.put("/patches/etcd1.yaml", "metadata: {labels: {x: second}}")
    node.put("/patches/etcd0.yaml", "metadata: {labels: {x: first, w: first}}")
    node.put("/patches/more/etcd.yaml", "metadata: {labels: {z: third}}")
    node.put("/patches/notes.txt", "mine")
    config = configuration()
    config = replace(config, this_node=replace(config.this_node, patches=Patches(directory="/patches")))
    run, events = init_run(node, config)
    perform(run, etcd, control_plane)
    labels = yaml.safe_load(node.text(f"{MANIFESTS}/etcd.yaml"))["metadata"]["labels"]
    assert labels == {"component": "etcd", "tier": "control-plane", "x": "second", "w": "first", "z": "third"}
    assert warnings(events) == ["/patches/notes.txt is not used as a patch: its name ends neither in .yaml nor in .json"]


def test_a_mounted_config_map_can_be_the_patches_directory(tmp_path: Path) -> None:
    data = tmp_path / "patches" / "..2026_01_01"
    data.mkdir(parents=True)
    (data / "etcd.yaml").write_text("metadata: {labels: {team: infra}}")
    (tmp_path / "patches" / "..data").symlink_to("..2026_01_01")
    (tmp_path / "patches" / "etcd.yaml").symlink_to("..data/etcd.yaml")
    config = configuration()
    config = replace(config, this_node=replace(config.this_node, patches=Patches(directory="/patches")))
    run, _ = init_run(LocalNode(str(tmp_path)), config)
    perform(run, etcd)
    assert yaml.safe_load((tmp_path / "etc/kubernetes/manifests/etcd.yaml").read_text())["metadata"]["labels"]["team"] == "infra"


def test_a_patches_directory_that_is_missing_is_an_error() -> None:
    config = configuration()
    config = replace(config, this_node=replace(config.this_node, patches=Patches(directory="/none")))
    with pytest.raises(PhaseError, match="/none is not a directory"):
        perform(init_run(FakeNode(), config)[0], etcd)


def test_a_kubelets_configuration_that_was_closed_to_others_stays_closed() -> None:
    node = FakeNode()
    node.put("/var/lib/kubelet/config.yaml", "kind: KubeletConfiguration", 0o600)
    node.write(kubelet_files(init_run(node)[0]))
    assert node.stat("/var/lib/kubelet/config.yaml").mode == 0o600
    assert node.stat("/var/lib/kubelet/instance-config.yaml").mode == 0o644


def test_a_file_in_the_place_of_etcds_data_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "var/lib").mkdir(parents=True)
    (tmp_path / "var/lib/etcd").write_text("")
    with pytest.raises(NodeError, match=r"cannot write /var/lib/etcd: .* move it away"):
        perform(init_run(LocalNode(str(tmp_path)))[0], etcd)


def test_the_runtimes_socket_is_this_machines_business() -> None:
    node = FakeNode()
    config = replace(configuration(), kubelet={"containerRuntimeEndpoint": "unix:///of/another", "maxPods": 9})
    node.write(kubelet_files(init_run(node, config)[0]))
    socket = "unix:///var/run/containerd/containerd.sock"
    assert node.text("/var/lib/kubelet/instance-config.yaml") == f'containerRuntimeEndpoint: "{socket}"\n', (
        "kubeadm's, to the byte"
    )
    written = yaml.safe_load(node.text("/var/lib/kubelet/config.yaml"))
    assert (written["containerRuntimeEndpoint"], written["maxPods"]) == (socket, 9)
    assert node.text("/var/lib/kubelet/kubeadm-flags.env") == 'KUBELET_KUBEADM_ARGS=""\n'
