"""Whether the clocks of a cluster's machines agree, found out from anywhere, without touching them.

A kubelet writes into its Lease by its own clock when it renewed it (spec.renewTime), and the API server notes by its own when it
took that write (metadata.managedFields, of who wrote the field). The API servers say their time in each answer.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any, Final
from urllib.parse import urlsplit

from pykubeadm.kube.api_servers import api_servers, clock_ahead
from pykubeadm.kube.port import Api, ApiUnreachableError
from pykubeadm.util.age import age
from pykubeadm.util.dataclass import dataclass
from pykubeadm.util.side_by_side import side_by_side
from pykubeadm.util.timestamp import parse_timestamp

# An API server's time has whole seconds, and a write takes a moment on its way: less cannot be told from delay. It is more than
# clocks that are kept by NTP ever differ, and less than does harm: ServiceAccounts' tokens bear a minute (jose: DefaultLeeway),
# certificates five (kubeadm: CertificateBackdate); etcd only logs that a member's clock is off, from one second on (rafthttp:
# monitorProbingStatus).
APART: Final = timedelta(seconds=5)

_LEASES: Final = "kube-node-lease"
_DURATION: Final = 40  # seconds, where a Lease does not say it (kubelet: nodeLeaseDurationSeconds)
_LONGEST_WAIT: Final = 60.0  # seconds
_ASK_EVERY: Final = 1.0  # seconds
_AT_A_TIME: Final = 6


@dataclass(frozen=True, slots=True)
class Apart:
    """The clock of `name` is `ahead` of that of `other`; behind where that is negative. `node`: it is the Node of that name."""

    name: str
    ahead: timedelta
    other: str
    node: bool = True

    def __str__(self) -> str:
        side = "ahead of" if self.ahead > timedelta() else "behind"
        span = timedelta(seconds=round(abs(self.ahead).total_seconds()))
        return f"the clock of {self.name} is {age(span)} {side} that of {self.other}"


@dataclass(frozen=True, slots=True)
class Clocks:
    """Names of the Nodes and addresses of the API servers whose clocks were compared, and those that are off."""

    nodes: tuple[str, ...]
    servers: tuple[str, ...]
    apart: tuple[Apart, ...]


@dataclass(frozen=True, slots=True)
class _Renewal:
    renewed: datetime  # by the kubelet's clock
    ahead: timedelta  # of the API server's
    duration: int  # seconds


def compare_clocks(api: Api, now: Callable[[], datetime]) -> Clocks:
    """Of all kubelets with that of the API server which they write to, and of the API servers that can be reached from here with
    each other. `now` is any clock, only asked how time passes. Takes a moment where all agree; else until those that are off
    have renewed their Leases again, some ten seconds: a write that was only delayed is no clock that is off."""
    first = _renewals(api)
    suspects = {name: renewal for name, renewal in first.items() if abs(renewal.ahead) > APART}
    nodes = [Apart(name, ahead, "the API server") for name, ahead in _shown_again(api, suspects).items()]
    aheads = _servers(api, now)
    return Clocks(tuple(first), tuple(aheads), (*nodes, *_servers_apart(aheads)))


def _renewals(api: Api) -> dict[str, _Renewal]:
    """By Node; without those whose Leases do not say who wrote them when."""
    found = {}
    for lease in sorted(api.list("coordination.k8s.io/v1", "Lease", _LEASES), key=lambda each: str(each["metadata"]["name"])):
        spec, written = lease["spec"], _written(lease["metadata"])
        if spec.get("renewTime") and written is not None:
            renewed = parse_timestamp(spec["renewTime"])
            duration = int(spec.get("leaseDurationSeconds") or _DURATION)
            found[lease["metadata"]["name"]] = _Renewal(renewed, renewed - written, duration)
    return found


def _written(metadata: Mapping[str, Any]) -> datetime | None:
    """When the API server took the newest renewal."""
    times = [
        parse_timestamp(entry["time"])
        for entry in metadata.get("managedFields") or ()
        if "f:renewTime" in ((entry.get("fieldsV1") or {}).get("f:spec") or {}) and entry.get("time")
    ]
    return max(times, default=None)


def _shown_again(api: Api, suspects: Mapping[str, _Renewal]) -> dict[str, timedelta]:
    """How far those are off whose next write shows it, too. A kubelet renews four times in a Lease's duration (kubernetes:
    pkg/kubelet/kubelet.go, nodeLeaseRenewIntervalFraction); one that does not has stopped, which says nothing of its clock."""
    waiting, found = dict(suspects), dict[str, timedelta]()
    until = time.monotonic() + min(max((each.duration / 2 for each in suspects.values()), default=0.0), _LONGEST_WAIT)
    while waiting and time.monotonic() < until:
        time.sleep(_ASK_EVERY)
        for name, again in _renewals(api).items():
            if name in waiting and again.renewed != waiting[name].renewed:
                least = min(waiting.pop(name).ahead, again.ahead, key=abs)
                if abs(again.ahead) > APART:
                    found[name] = least
    return {name: found[name] for name in suspects if name in found}


def _servers(api: Api, now: Callable[[], datetime]) -> dict[str, timedelta]:
    """How far the API servers are ahead of `now`, by address and port, where there are several; without those that do not answer:
    that they are missing is said elsewhere."""
    urls = [url for _, url in api_servers(api)]
    if len(urls) < 2:
        return {}

    def ahead(url: str) -> timedelta | None:
        try:
            return clock_ahead(url, now)
        except ApiUnreachableError:
            return None

    found = zip(urls, side_by_side(ahead, urls, _AT_A_TIME), strict=True)
    return {urlsplit(url).netloc: each for url, each in found if each is not None}


def _servers_apart(aheads: Mapping[str, timedelta]) -> list[Apart]:
    """Those that are far from the one in the middle."""
    if not aheads:
        return []
    middle = sorted(aheads, key=lambda address: aheads[address])[(len(aheads) - 1) // 2]
    return [
        Apart(f"the API server at {address}", ahead - aheads[middle], f"the one at {middle}", node=False)
        for address, ahead in aheads.items()
        if abs(ahead - aheads[middle]) > APART
    ]
