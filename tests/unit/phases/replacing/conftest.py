"""A control plane of the old version, and its etcd."""

from __future__ import annotations

import pytest

from tests.support.upgrade_runs import ControlPlaneNode, FakeEtcd, attach, made


@pytest.fixture
def etcd() -> FakeEtcd:
    return FakeEtcd()


@pytest.fixture
def node(monkeypatch: pytest.MonkeyPatch, etcd: FakeEtcd) -> ControlPlaneNode:
    found, _api = made()
    attach(monkeypatch, found, etcd)
    return found
