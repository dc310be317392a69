"""What unit tests share."""

from __future__ import annotations

import pytest

from pykubeadm.kube import waits
from pykubeadm.util import retry


class Clock:
    """In place of the module time: it moves when somebody waits, and a little whenever it is looked at, however busy the machine
    is."""

    def __init__(self) -> None:
        self.now = 0.0

    def monotonic(self) -> float:
        self.now += 0.001
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Between one try or look and the next."""
    clock = Clock()
    monkeypatch.setattr(retry, "time", clock)
    monkeypatch.setattr(waits, "time", clock)
