"""Waits of phases are explained by what is still missing."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from pykubeadm.errors import PhaseError
from pykubeadm.node.diagnose import Diagnosis
from pykubeadm.node.port import UnitState
from pykubeadm.phases import waiting
from tests.support.init_runs import init_run
from tests.support.node import FakeNode


def test_what_came_up_meanwhile_is_not_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, ...]] = []

    def diagnose(*_arguments: Any, unhealthy: tuple[str, ...], **_more: Any) -> Diagnosis:
        asked.append(unhealthy)
        return Diagnosis(causes=(), unit=UnitState("loaded", "active", "running", "enabled"))

    monkeypatch.setattr("pykubeadm.node.diagnose.diagnose", diagnose)
    targets = {"kube-apiserver": lambda: None, "kube-scheduler": lambda: "connection refused"}
    with pytest.raises(PhaseError, match=r"of waiting for kube-scheduler \(connection refused\)"):
        waiting.wait(init_run(FakeNode())[0], "wait-control-plane", targets, timedelta())
    assert asked == [("kube-scheduler",)]
