"""A healthy worker with one of its files changed or damaged: `join` ends healthy, or names the file and costs nothing."""

from __future__ import annotations

import pytest

from lab import assets, cluster
from lab.cluster import kubectl
from tests.e2e import damage
from tests.e2e.conftest import nodes_of
from tests.e2e.joining import IGNORED, first_control_plane, join, join_command

pytestmark = pytest.mark.long


def test_each_file_of_a_worker(kubernetes: assets.Assets, request: pytest.FixtureRequest) -> None:
    with nodes_of(kubernetes, request) as new_node:
        control_plane, worker = first_control_plane(new_node, kubernetes, "damage"), new_node("damagew")
        words = join_command(control_plane)
        join(worker, words)
        cluster.install_cni(worker, asking=control_plane)
        cluster.wait_node_ready(control_plane, worker.name)
        healthy = ("curl", "--fail", "--silent", "http://127.0.0.1:10248/healthz")
        found = damage.rows(worker, ("join", *words, *IGNORED), healthy, request.config.get_terminal_writer())
        assert {row.path for row in found} >= {"/etc/kubernetes/kubelet.conf", "/var/lib/pykubeadm/journal.json"}
        assert [row for row in found if row.wrong] == []
        cluster.wait_node_ready(control_plane, worker.name)
        assert kubectl(control_plane, "get", "nodes", "--output=name").count("node/") == 2
