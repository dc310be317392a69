"""What one look at a fleet gave: who is there, what would be done."""

from __future__ import annotations

from collections.abc import Mapping

from pykubeadm.config.fleet import Host
from pykubeadm.errors import BugError
from pykubeadm.fleet.facts import Facts
from pykubeadm.fleet.file import Described, internal_address
from pykubeadm.fleet.plan import Plan
from pykubeadm.util.dataclass import dataclass


@dataclass(frozen=True, slots=True)
class Found:
    """A fleet as it is described and as it was found. `hosts` are those that the run is for; `digests` stand for what each would
    be prepared with (host → stage → digest); `bug` is the first that was found while a machine was looked at."""

    described: Described
    hosts: tuple[Host, ...]
    facts: Facts
    plan: Plan
    digests: Mapping[str, Mapping[str, str]]
    bug: BugError | None = None

    def host(self, name: str) -> Host:
        return next(host for host in self.described.cluster.hosts if host.name == name)

    def address(self, name: str) -> str:
        """Where other nodes find a host."""
        looked, cluster = self.facts.nodes.get(name), self.facts.cluster
        node = cluster.nodes.get(name) if cluster else None
        return (looked.address if looked else "") or (node.address if node else "") or internal_address(self.host(name))
