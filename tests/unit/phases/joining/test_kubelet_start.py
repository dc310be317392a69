"""kubelet-start of join: what a kubelet finds on the node when it starts."""

from __future__ import annotations

from pykubeadm.phases.joining.kubelet_start import kubelet_start
from tests.fakes import FakeNode
from tests.join_runs import joining

BOOTSTRAP = "/etc/kubernetes/bootstrap-kubelet.conf"


def test_the_ca_is_where_the_clusters_kubelets_look_for_it():
    node = FakeNode()
    kubelet_start.apply(joining(node, client_ca="/etc/pki/kubernetes/ca.crt"))
    assert node.text("/etc/kubernetes/pki/ca.crt") == node.text("/etc/pki/kubernetes/ca.crt") == "CA"


def test_a_ca_that_is_there_is_left_alone():
    node = FakeNode()
    node.put("/etc/kubernetes/pki/ca.crt", "theirs")
    kubelet_start.apply(joining(node))
    assert node.text("/etc/kubernetes/pki/ca.crt") == "theirs"


def test_a_workers_kubelet_begins_at_the_endpoint_a_control_planes_at_its_own_api_server():
    worker, control_plane = FakeNode(), FakeNode()
    kubelet_start.apply(joining(worker))
    assert "server: https://[fd00::1]:6443" in worker.text(BOOTSTRAP)
    kubelet_start.apply(joining(control_plane, control_plane="fd00::9"))
    assert "server: https://[fd00::9]:6443" in control_plane.text(BOOTSTRAP)
    assert control_plane.files[BOOTSTRAP].mode == 0o600
