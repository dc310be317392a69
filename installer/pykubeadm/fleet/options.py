"""How a run over a fleet goes: which hosts, how many at a time, how far, how long."""

from __future__ import annotations

import time
from dataclasses import field

from pykubeadm.fleet.machines import DEFAULT_FORKS
from pykubeadm.util.dataclass import dataclass


@dataclass(frozen=True, slots=True)
class Options:
    """`limit` names hosts, () means all; `until` is the kind of action after which the run ends, "" for none; `timeout` is in
    seconds for the whole run, 0 for no end."""

    limit: tuple[str, ...] = ()
    forks: int = DEFAULT_FORKS
    until: str = ""
    timeout: float = 0.0
    began: float = field(default_factory=time.monotonic)

    @property
    def left(self) -> float | None:
        """Seconds until the end; None for no end."""
        return max(self.timeout - (time.monotonic() - self.began), 0.0) if self.timeout else None
