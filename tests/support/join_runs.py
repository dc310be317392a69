"""A run of `join` on a node of tests."""

from __future__ import annotations

import base64

from pykubeadm.commands.join.run import JoinRun
from pykubeadm.commands.join.trust import Trust
from pykubeadm.config.host import HostFacts
from pykubeadm.config.model import (
    APIEndpoint,
    ClusterConfiguration,
    Configuration,
    JoinConfiguration,
    JoinControlPlane,
    NodeRegistration,
    ThisNode,
)
from pykubeadm.node.journal import Journal
from pykubeadm.node.port import UnitState
from tests.support.api import FakeApi
from tests.support.node import FakeNode

CA = {"server": "https://[fd00::1]:6443", "certificate-authority-data": base64.b64encode(b"CA").decode()}


def joining(node: FakeNode, *, client_ca: str = "/etc/kubernetes/pki/ca.crt", control_plane: str = "") -> JoinRun:
    endpoint = APIEndpoint(advertise_address=control_plane)
    registration = NodeRegistration(name="n1", cri_socket="unix:///run/x.sock")
    node.units["kubelet"] = UnitState("loaded", "inactive", "dead", "enabled")
    return JoinRun(
        configuration=Configuration(
            ClusterConfiguration(kubernetes_version="v1.36.2"),
            ThisNode(node_registration=registration, local_api_endpoint=endpoint),
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
