"""`certs check-expiration`: what there is on this node and how long it lasts."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from pykubeadm.constants import ADMIN_KUBECONFIG
from pykubeadm.phases.certs.expiration import (
    OVERDUE,
    Expiration,
    authority_expirations,
    kubelet_expirations,
    leaf_expirations,
)
from pykubeadm.phases.certs.place import Place, place_by_manifest
from pykubeadm.util.dataclass import dataclass

if TYPE_CHECKING:
    from pykubeadm.config.source import Source
    from pykubeadm.node.port import Node
    from pykubeadm.workflow.events import Subscriber


_FIRST_ONLY = "super-admin.conf"
_OF_BOTH = "apiserver-etcd-client"  # a host of etcd may have made it for the control planes


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

    @property
    def problems(self) -> list[str]:
        """A sentence for each that is there and cannot be read."""
        return [entry.problem for _kind, entry in self.every() if entry.problem]

    def within(self, span: timedelta) -> tuple[Expiration, ...]:
        """Those that are there and expire within `span`, or have expired. The kubelet's own, which may be valid for a day by
        choice, count when the kubelet should have renewed them."""
        return tuple(entry for kind, entry in self.every() if self._ends_within(entry, span, renews_itself=kind == "kubelet"))

    def not_in_force(self) -> list[str]:
        """A sentence for each that is not valid yet, and for each that this node should have and does not. A worker has none of
        the leaves but copies of kubeconfigs, a host of etcd those of etcd, and only the first control plane super-admin.conf."""
        files = [entry for entry in self.leaves if not entry.name.endswith(".conf") and _is_there(entry)]
        parts = {_part(entry) for entry in files if entry.name != _OF_BOTH}
        cas = {entry.ca for entry in files}
        missing = [entry for entry in self.leaves if _part(entry) in parts and entry.name != _FIRST_ONLY]
        missing += [entry for entry in self.authorities if entry.name in cas]
        early = [entry for _kind, entry in self.every() if entry.begins is not None and entry.begins > self.now]
        return [
            *(f"{entry.name} is not valid before {entry.begins:%Y-%m-%d %H:%M} UTC" for entry in early),
            *(f"{entry.name} is missing" for entry in missing if not _is_there(entry)),
        ]

    def _ends_within(self, entry: Expiration, span: timedelta, *, renews_itself: bool) -> bool:
        if entry.begins is None or entry.expires is None:
            return False
        left = entry.expires - self.now
        return left < span and not (renews_itself and left >= (entry.expires - entry.begins) * OVERDUE)


def _is_there(entry: Expiration) -> bool:
    return entry.expires is not None or bool(entry.problem)


def _part(entry: Expiration) -> str:
    return "etcd" if entry.name.startswith("etcd-") else "control plane"


def check_expiration(
    options: Mapping[str, Any],
    emit: Subscriber,
    *,
    machine: Node,
    source: Source | None = None,
    now: datetime | None = None,
) -> Expirations:
    """What there is on a machine, what is damaged too; `options` are kubeadm's flags with underscores, `source` is what --config
    names. Raises what `existing` raises."""
    place = _place(machine, options, source, emit)
    if options.get("cert_dir"):
        place = replace(place, certificates_dir=os.path.abspath(options["cert_dir"]))
    return Expirations(
        leaf_expirations(machine, place),
        authority_expirations(machine, place),
        kubelet_expirations(machine),
        now or machine.now(),
    )


def _place(node: Node, options: Mapping[str, Any], source: Source | None, emit: Subscriber) -> Place:
    """By what the user names, else by the API server's flags; the cluster, which takes longer to ask than all the rest, says it
    where they do not."""
    if source is None and not options.get("kubeconfig"):
        if (place := place_by_manifest(node)) is not None:
            return place
        if node.stat(ADMIN_KUBECONFIG) is None:
            return Place()
    from pykubeadm.commands.existing import existing

    cluster = existing(options, emit, machine=node, source=source).configuration.cluster
    external = cluster.etcd.external
    return Place(cluster.certificates_dir, external_etcd=external.endpoints if external else ())
