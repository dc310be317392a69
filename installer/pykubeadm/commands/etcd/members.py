"""`etcd members`: what every member says of itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pykubeadm.commands.existing import existing
from pykubeadm.etcd.client import EtcdClient, EtcdError, Member, Status
from pykubeadm.phases.etcd.reach import members_of, reach
from pykubeadm.util.dataclass import dataclass
from pykubeadm.util.side_by_side import side_by_side

if TYPE_CHECKING:
    from pykubeadm.config.source import Source
    from pykubeadm.node.port import Node
    from pykubeadm.workflow.events import Subscriber

_THREADS = 8


@dataclass(frozen=True, slots=True)
class MemberReport:
    """A member; `status` is None where it does not answer, `problem` then, or where it is not healthy, says why."""

    member: Member
    status: Status | None
    problem: str
    alarms: tuple[str, ...] = ()

    @property
    def is_leader(self) -> bool:
        return self.status is not None and self.status.leader == self.member.id


@dataclass(frozen=True, slots=True)
class Report:
    """`no_majority` says why the members do not agree, "" where they do."""

    members: tuple[MemberReport, ...]
    no_majority: str = ""


def report_members(options: Mapping[str, Any], emit: Subscriber, *, machine: Node, source: Source | None = None) -> Report:
    """Ask every member. EtcdError where none answers, PhaseError where this node knows none."""
    found = existing(options, emit, machine=machine, source=source)
    return report_of(reach(found.node, found.configuration).client)


def report_of(client: EtcdClient) -> Report:
    members, no_majority = members_of(client)
    alarms: dict[int, list[str]] = {}
    if not no_majority:
        for alarm in client.alarms():
            alarms.setdefault(alarm.member_id, []).append(alarm.kind)

    def report(member: Member) -> MemberReport:
        raised = tuple(alarms.get(member.id, ()))
        if not member.started or not member.client_urls:
            return MemberReport(member, None, "it has never started", raised)
        try:
            status = client.status(member.client_urls[0])
        except EtcdError as error:
            return MemberReport(member, None, str(error), raised)
        problem = "; ".join(status.errors) or ("" if status.leader else "it sees no leader")
        return MemberReport(member, status, problem, raised)

    return Report(tuple(side_by_side(report, sorted(members, key=lambda each: (each.name, each.id)), _THREADS)), no_majority)
