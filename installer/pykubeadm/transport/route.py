"""From where servers are reached: from this process, or from another machine."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Mapping
from dataclasses import field

from pykubeadm.util.dataclass import dataclass

# Opens a TCP connection to a host (name or address) and port within a number of seconds; OSError where there is none.
Dial = Callable[[str, int, float], socket.socket]


@dataclass(frozen=True)
class Route:
    """`dial` opens connections, None for those of this process; `environment` has their variables (proxies, PATH)."""

    dial: Dial | None = None
    environment: Mapping[str, str] = field(default_factory=dict)


DIRECT = Route(environment=os.environ)
