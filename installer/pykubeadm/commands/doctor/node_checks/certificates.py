"""The certificates on a node: that they are there, can be read, and are valid now."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from typing import Final

from pykubeadm.commands.doctor.check import Check, Remark, problem, warning
from pykubeadm.commands.doctor.here import Here
from pykubeadm.phases.certs.expiration import (
    OVERDUE,
    Expiration,
    authority_expirations,
    kubelet_expirations,
    leaf_expirations,
)
from pykubeadm.phases.certs.place import place_by_manifest
from pykubeadm.util.age import age

_SOON: Final = timedelta(days=30)


def _certificates(here: Here) -> Iterable[Remark]:
    place = place_by_manifest(here.node)
    own = [*leaf_expirations(here.node, place), *authority_expirations(here.node, place)] if place else []
    for entry in own:
        yield from _of(entry, here, "pykubeadm certs renew all")
    for entry in kubelet_expirations(here.node):
        yield from _of(
            entry, here, "look at why the kubelet did not renew it: journalctl -u kubelet | grep -i certificate", renews=True
        )


def _of(entry: Expiration, here: Here, run: str, *, renews: bool = False) -> Iterable[Remark]:
    if entry.problem:
        yield problem(entry.problem)
    if entry.begins is None or entry.expires is None:
        return
    left = entry.expires - here.now
    if left <= timedelta():
        yield problem(f"the certificate {entry.name} expired {age(-left)} ago", run)
    elif entry.begins > here.now:
        yield problem(
            f"the certificate {entry.name} is not valid before {entry.begins:%Y-%m-%d %H:%M}", "set the clock: timedatectl"
        )
    elif left < _SOON and not (renews and left >= (entry.expires - entry.begins) * OVERDUE):
        yield warning(f"the certificate {entry.name} expires in {age(left)}", run)


CHECKS: Final = (Check("node/certificates", "components refuse each other when a certificate has expired", _certificates),)
