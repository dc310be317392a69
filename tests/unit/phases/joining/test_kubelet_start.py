"""kubelet-start of join: what a kubelet finds on the node when it starts."""

from __future__ import annotations

import base64

from pykubeadm.config.host import HostFacts
from pykubeadm.config.model import (
    APIEndpoint,
    ClusterConfiguration,
    Configuration,
    InitConfiguration,
    JoinConfiguration,
    JoinControlPlane,
    NodeRegistration,
)
from pykubeadm.node.port import UnitState
from pykubeadm.phases.joining.kubelet_start import kubelet_start
from pykubeadm.phases.joining.run import JoinRun
from pykubeadm.phases.joining.trust import Trust
from pykubeadm.plan.journal import Journal
from tests.fake_api import FakeApi
from tests.fakes import FakeNode

CA = {"server": "https://[fd00::1]:6443", "certificate-authority-data": base64.b64encode(b"CA").decode()}
BOOTSTRAP = "/etc/kubernetes/bootstrap-kubelet.conf"


def joining(node: FakeNode, *, client_ca: str = "/etc/kubernetes/pki/ca.crt", control_plane: str = "") -> JoinRun:
    endpoint = APIEndpoint(advertise_address=control_plane)
    registration = NodeRegistration(name="n1", cri_socket="unix:///run/x.sock")
    node.units["kubelet"] = UnitState("loaded", "inactive", "dead", "enabled")
    return JoinRun(
        configuration=Configuration(
            InitConfiguration(node_registration=registration, local_api_endpoint=endpoint),
            ClusterConfiguration(kubernetes_version="v1.36.2"),
            {"authentication": {"x509": {"clientCAFile": client_ca}}},
        ),
        node=node,
        host=HostFacts("n1"),
        journal=Journal(node),
        emit=lambda _event: None,
        join=JoinConfiguration(control_plane=JoinControlPlane(local_api_endpoint=endpoint) if control_plane else None),
        trust=Trust(CA, {"token": "abcdef.0123456789abcdef"}, "u", "here"),
        bootstrap_api=FakeApi(),
    )


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
