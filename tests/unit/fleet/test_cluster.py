"""What a control plane says of its cluster, from the files on it."""

from __future__ import annotations

from pykubeadm.fleet.cluster import etcd_of
from pykubeadm.phases.certs.phase import certs
from pykubeadm.phases.static_pods.control_plane import control_plane
from tests.support.api import FakeApi
from tests.support.init_runs import configuration, init_run, perform
from tests.support.node import FakeNode


def test_etcd_is_asked_with_certificates_wherever_the_api_server_has_its_own(monkeypatch):
    monkeypatch.setattr("pykubeadm.phases.etcd.members.etcd_endpoints", lambda _api: ["https://10.0.0.9:2379"])
    node = FakeNode("c1")
    perform(init_run(node, configuration(certificates_dir="/etc/kubernetes/ssl"))[0], certs, control_plane)
    assert etcd_of(node, FakeApi()) is not None
    node.remove(["/etc/kubernetes/ssl/etcd"])
    assert etcd_of(node, FakeApi()) is None
