"""A healthy control plane with one of its files changed or damaged: `init` ends healthy, or names the file and costs nothing."""

from __future__ import annotations

import pytest

from lab import cluster
from lab.cluster import ADMIN_KUBECONFIG
from lab.node import Node
from tests.e2e import damage

pytestmark = pytest.mark.long

HEALTHY = ("kubectl", f"--kubeconfig=/root/healthy{ADMIN_KUBECONFIG}", "get", "--raw", "/readyz")


def test_each_file_of_a_control_plane(control_plane: Node, request: pytest.FixtureRequest) -> None:
    words = ("init", "--config", cluster.CONFIG)
    control_plane.run("pykubeadm", *words)
    found = damage.rows(control_plane, words, HEALTHY, request.config.get_terminal_writer())
    assert {row.path for row in found} >= {"/etc/kubernetes/pki/ca.crt", "/var/lib/pykubeadm/journal.json"}
    assert [row for row in found if row.wrong] == []
