"""`cluster status`: what is there, and whether it is as the file says."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from pykubeadm.config.fleet import CONTROL_PLANE, ETCD, Host
from pykubeadm.errors import BugError, PhaseError, PykubeadmError
from pykubeadm.fleet.addons import AddOn, look_at_addons
from pykubeadm.fleet.certs import place
from pykubeadm.fleet.cluster import api_of
from pykubeadm.fleet.command import plan_fleet
from pykubeadm.fleet.found import Found
from pykubeadm.fleet.machines import Connect, Machines, over_ssh
from pykubeadm.fleet.plan import lines
from pykubeadm.phases.run import utc_now
from pykubeadm.util.dataclass import dataclass

if TYPE_CHECKING:
    from pykubeadm.fleet.file import Described
    from pykubeadm.fleet.options import Options
    from pykubeadm.node.port import Node
    from pykubeadm.workflow.events import Subscriber

_SHOWN = ("state", "version", "address", "etcd", "certificatesUntil")
WARN_DAYS = 30  # before a certificate's end it is said


@dataclass(frozen=True, slots=True)
class Status:
    """`problems` are sentences: where there are any, the cluster is not well. `bug` is the first that was found on a machine."""

    version: str
    hosts: tuple[Mapping[str, Any], ...]
    addons: tuple[AddOn, ...]
    drift: tuple[str, ...]
    problems: tuple[str, ...]
    bug: BugError | None = None

    def document(self) -> dict[str, Any]:
        """For -o."""
        return {
            "kind": "ClusterStatus",
            "apiVersion": "pykubeadm.cluster/v1",
            "kubernetesVersion": self.version,
            "hosts": [dict(host) for host in self.hosts],
            "addons": [addon.document() for addon in self.addons],
            "drift": list(self.drift),
            "problems": list(self.problems),
        }


def run_status(described: Described, options: Options, emit: Subscriber, *, connect: Connect | None = None) -> Status:
    """Look, and judge. Nothing is changed."""
    problems: list[str] = []
    with Machines(connect or over_ssh(described), forks=options.forks) as machines:
        found = plan_fleet(described, machines, options, emit)
        facts = found.facts.nodes
        holders = [host for host in found.hosts if facts[host.name].control_plane or facts[host.name].etcd]
        ends = machines.on_each(lambda host: first_end(machines.node(host), place(described, host)), holders)
        addons = _addons(found, machines, problems)
    if found.facts.cluster is None:
        problems.append(found.facts.nobody)
    rows = tuple(_row(found, host, ends.get(host.name)) for host in found.hosts)
    for name, end in ends.items():
        if isinstance(end, PykubeadmError):
            problems.append(_named(name, str(end)))
        elif end is not None and (left := (end - utc_now()).days) < WARN_DAYS:
            problems.append(
                f"{name}: its first certificate ends in {left} days" if left >= 0 else f"{name}: a certificate has expired"
            )
    problems += [_named(host, sentence) for host, sentence in (*found.plan.problems, *found.plan.notes)]
    version = found.facts.cluster.version if found.facts.cluster else ""
    drift = (*lines(found.plan), *(_named(each.host, each.sentence) for each in found.plan.drift))
    return Status(version, rows, addons, drift, tuple(dict.fromkeys(problems)), machines.bug)


def _addons(found: Found, machines: Machines, problems: list[str]) -> tuple[AddOn, ...]:
    """`problems` get what is wrong with them."""
    if found.facts.cluster is None:
        return ()
    try:
        addons = look_at_addons(api_of(machines.node(found.host(found.facts.cluster.seed))), found)
    except PykubeadmError as error:
        problems.append(f"the add-ons could not be checked: {error}")
        return ()
    problems += [addon.ailment for addon in addons if addon.ailment]
    return addons


def _named(host: str, sentence: str) -> str:
    return sentence if not host or sentence.startswith(host) else f"{host}: {sentence}"


def _row(found: Found, host: Host, end: datetime | PykubeadmError | None) -> dict[str, Any]:
    facts, cluster = found.facts.nodes[host.name], found.facts.cluster
    node = cluster.nodes.get(host.name) if cluster else None
    member = next((each for each in cluster.members if each.name == host.name), None) if cluster else None
    if not facts.reachable:
        state = "unreachable"
    elif node is not None:
        state = "Ready" if node.ready else "NotReady"
        state += ",SchedulingDisabled" if node.unschedulable else ""
    else:
        state = "not joined" if host.is_node else "up"
    etcd = "" if member is None else (member.ailment or ("learner" if member.learner else "healthy"))
    if facts.etcd:
        etcd = facts.etcd_ailment or "healthy"
    return {
        "name": host.name,
        "parts": list(host.parts),
        "state": state,
        "version": node.version if node else "",
        "address": (node.address if node else "") or facts.address,
        "etcd": etcd if CONTROL_PLANE in host.parts or ETCD in host.parts else "",
        "certificatesUntil": end.date().isoformat() if isinstance(end, datetime) else "",
    }


def first_end(node: Node, flags: Mapping[str, str]) -> datetime | None:
    """When the first of a machine's certificates ends, None where there are none. PhaseError for one that is damaged."""
    from pykubeadm.commands.certs.expiration import check_expiration

    found = check_expiration(flags, lambda _event: None, machine=node)
    if found.problems:
        raise PhaseError("\n".join(found.problems))
    return min((entry.expires for entry in (*found.leaves, *found.authorities) if entry.expires is not None), default=None)


def table(status: Status) -> Iterator[str]:
    """For people."""
    titles = ("NAME", "PARTS", "STATE", "VERSION", "ADDRESS", "ETCD", "CERTIFICATES UNTIL")
    rows = [(str(row["name"]), ",".join(row["parts"]), *(str(row[key]) for key in _SHOWN)) for row in status.hosts]
    yield from aligned([titles, *rows])
    if status.addons:
        yield ""
        of_addons = [(addon.name, f"{addon.ready}/{addon.desired}", addon.version) for addon in status.addons]
        yield from aligned([("ADD-ON", "READY", "VERSION"), *of_addons])


def aligned(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    widths = [max(len(row[at]) for row in rows) for at in range(len(rows[0]))]
    for row in rows:
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
