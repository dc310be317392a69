"""What unit tests share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from pykubeadm.kube import waits
from pykubeadm.util import retry
from tests.support.environment import no_proxies

__all__ = ["no_proxies"]  # for pytest, which takes the fixtures that it finds here


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


@pytest.fixture(scope="module", autouse=True)
def no_pauses() -> Iterator[None]:
    """Between one try or look and the next."""
    clock = Clock()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(retry, "time", clock)
        patch.setattr(waits, "time", clock)
        yield
