"""A command of nodes on one machine after the other, until one fails."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import field
from functools import partial
from typing import TYPE_CHECKING

from pykubeadm.errors import NodeError, PykubeadmError
from pykubeadm.fleet.apply import Outcome
from pykubeadm.fleet.progress import HostEvents, of_host
from pykubeadm.util.dataclass import dataclass

if TYPE_CHECKING:
    from pykubeadm.config.fleet import Host
    from pykubeadm.fleet.machines import Machines
    from pykubeadm.fleet.options import Options
    from pykubeadm.node.port import Node
    from pykubeadm.workflow.events import Subscriber

Call = Callable[["Host", "Node", HostEvents], None]


@dataclass(slots=True)
class OneByOne:
    """How it went, by host, over all of its turns; `problems` are why hosts could not be reached."""

    machines: Machines
    options: Options
    emit: Subscriber
    action: str
    outcomes: dict[str, Outcome] = field(default_factory=dict)
    problems: list[tuple[str, str]] = field(default_factory=list)

    @property
    def failed(self) -> bool:
        return any(outcome.error for outcome in self.outcomes.values())

    def on_each(self, hosts: Sequence[Host], call: Call) -> None:
        """`call` for each host that can be reached, with its node and what takes its events; for none after one failed, or when
        the time is over."""
        for host in hosts:
            if self.failed:
                return
            node = self.machines.attempt(host.name, partial(self.machines.node, host))
            if isinstance(node, PykubeadmError):
                self.problems.append((host.name, str(node)))
            else:
                self._take(host, node, call)

    def _take(self, host: Host, node: Node, call: Call) -> None:
        began, events = time.monotonic(), of_host(host.name, self.action, self.emit)
        if self.options.left == 0:
            error: PykubeadmError | None = NodeError(f"{host.name} was not begun when --timeout ended the run")
        else:
            error = self.machines.attempt(host.name, partial(call, host, node, events))
        before = self.outcomes.get(host.name, Outcome(host.name, 0.0))
        seconds = before.seconds + time.monotonic() - began
        self.outcomes[host.name] = Outcome(host.name, seconds, error, before.changes + events.changes)
