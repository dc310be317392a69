"""The cluster in memory of `certs rotate-ca`, in the place of a real one."""

from __future__ import annotations

import pytest

from tests.support.rotation_runs import members
from tests.support.rotations import RotatingCluster


@pytest.fixture
def attach(monkeypatch: pytest.MonkeyPatch):
    def attached(cluster: RotatingCluster) -> RotatingCluster:
        for module in ("restart", "stopped"):
            monkeypatch.setattr(f"pykubeadm.phases.static_pods.{module}.component_health", lambda _run, _name: lambda: None)
        monkeypatch.setattr("pykubeadm.phases.etcd.members.own_etcd_client", lambda _run: members(cluster))
        monkeypatch.setattr("pykubeadm.phases.cluster.connection.endpoint_api", lambda _run: cluster)
        monkeypatch.setattr("pykubeadm.kube.client.ClusterApi", cluster.connect)
        monkeypatch.setattr("pykubeadm.kube.admin.bind_admins", lambda _api, _other: False)
        return cluster

    return attached
