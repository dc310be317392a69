"""Kubelets that renew their Leases, each by a clock of its own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from pykubeadm.kube import clocks
from pykubeadm.util.kube_object import KubeObject
from tests.support.api import FakeApi

if TYPE_CHECKING:
    import pytest

BEGAN = datetime(2026, 5, 1, tzinfo=UTC)


def renewed(name: str, at: datetime, ahead: float = 0.0) -> KubeObject:
    """The Lease of a kubelet whose clock is `ahead` (seconds) as the API server has it that took the write at `at`."""
    spec = {"holderIdentity": name, "leaseDurationSeconds": 40, "renewTime": _text(at + timedelta(seconds=ahead))}
    return {
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": {
            "name": name,
            "namespace": "kube-node-lease",
            "managedFields": [
                {"manager": "kubelet", "time": "2020-01-01T00:00:00Z", "fieldsV1": {"f:metadata": {"f:ownerReferences": {}}}},
                {"manager": "kubelet", "time": f"{at:%Y-%m-%dT%H:%M:%SZ}", "fieldsV1": {"f:spec": {"f:renewTime": {}}}},
            ],
        },
        "spec": spec,
    }


def _text(at: datetime) -> str:
    return f"{at:%Y-%m-%dT%H:%M:%S.%fZ}"


@dataclass
class Kubelets:
    """They renew their Leases every ten seconds, where time passes by sleeping only; those of `stopped` did so once. `ahead` has
    the seconds by which their clocks are ahead: one number, or one for each write, the last for all that follow."""

    api: FakeApi
    ahead: Mapping[str, float | tuple[float, ...]]
    stopped: frozenset[str] = frozenset()
    slept: float = 0.0
    _writes: int = field(default=0, init=False)

    def write(self) -> None:
        for name, ahead in self.ahead.items():
            if not (self._writes and name in self.stopped):
                each = ahead[min(self._writes, len(ahead) - 1)] if isinstance(ahead, tuple) else ahead
                self.api.put(renewed(name, BEGAN + timedelta(seconds=10.4 * self._writes), each))
        self._writes += 1

    def monotonic(self) -> float:
        return self.slept

    def sleep(self, seconds: float) -> None:
        self.slept += seconds
        while self.slept >= 10.4 * self._writes:
            self.write()


def kubelets(monkeypatch: pytest.MonkeyPatch, api: FakeApi, *stopped: str, **ahead: float | tuple[float, ...]) -> Kubelets:
    found = Kubelets(api, ahead, frozenset(stopped))
    found.write()
    monkeypatch.setattr(clocks, "time", found)
    return found
