"""Hosts of a file that is taken apart."""

from __future__ import annotations

from pykubeadm.fleet.leaving import reset_node
from pykubeadm.fleet.progress import of_host
from tests.support.node import FakeNode


def test_certificates_that_are_elsewhere_go_from_a_host_of_etcd_alone():
    node = FakeNode("e1")
    for name in ("ca.crt", "ca.key", "peer.key"):
        node.put(f"/srv/pki/etcd/{name}", name)
    reset_node(node, of_host("e1", "reset", lambda _event: None), certificates_dir="/srv/pki")
    assert [path for path in node.files if path.startswith("/srv/pki")] == []
