"""A command of nodes on one machine after the other, until one fails."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import field
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
            try:
                node = self.machines.node(host)
            except PykubeadmError as failure:
                self.problems.append((host.name, str(failure)))
                continue
            self._take(host, node, call)

    def _take(self, host: Host, node: Node, call: Call) -> None:
        began, events = time.monotonic(), of_host(host.name, self.action, self.emit)
        error: PykubeadmError | None = None
        try:
            if self.options.left == 0:
                raise NodeError(f"{host.name} was not begun when --timeout ended the run")
            call(host, node, events)
        except PykubeadmError as failure:
            error = failure
        before = self.outcomes.get(host.name, Outcome(host.name, 0.0))
        seconds = before.seconds + time.monotonic() - began
        self.outcomes[host.name] = Outcome(host.name, seconds, error, before.changes + events.changes)
