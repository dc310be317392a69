"""`certs check-expiration`: what there is on this node and how long it lasts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from pykubeadm.commands.certs.begin import begin
from pykubeadm.commands.certs.run import CertsRun
from pykubeadm.phases.certs.expiration import (
    Expiration,
    authority_expirations,
    kubelet_expirations,
    leaf_expirations,
)
from pykubeadm.workflow.events import Subscriber


@dataclass(frozen=True, slots=True)
class Expirations:
    """All that was found at `now`, in the order it is shown."""

    leaves: tuple[Expiration, ...]
    authorities: tuple[Expiration, ...]
    kubelet: tuple[Expiration, ...]
    now: datetime

    def every(self) -> Iterator[tuple[str, Expiration]]:
        """With the kind of each: "certificate", "authority" or "kubelet"."""
        for kind, group in (("certificate", self.leaves), ("authority", self.authorities), ("kubelet", self.kubelet)):
            for entry in group:
                yield kind, entry

    def within(self, span: timedelta) -> tuple[Expiration, ...]:
        """Those that are there and expire within `span`, or have expired."""
        return tuple(entry for _kind, entry in self.every() if entry.expires is not None and entry.expires - self.now < span)


def check_expiration(options: Mapping[str, Any], emit: Subscriber, *, rootfs: str = "/") -> Expirations:
    """What there is on the node below `rootfs`; `options` are kubeadm's flags with underscores."""
    return look(begin(options, emit, rootfs=rootfs))


def look(run: CertsRun) -> Expirations:
    return Expirations(leaf_expirations(run), authority_expirations(run), kubelet_expirations(run), run.now())
