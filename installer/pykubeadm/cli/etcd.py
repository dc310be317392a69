"""`pykubeadm etcd …`"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from pykubeadm.cli.lazy import CliCommand, CliGroup
from pykubeadm.cli.machine import machine_of, source_of
from pykubeadm.cli.options import document_options, option, output_option
from pykubeadm.cli.reporting import reporting

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pykubeadm.commands.etcd.members import MemberReport, Report
    from pykubeadm.output.forms import Form
    from pykubeadm.workflow.events import Event

etcd = CliGroup(
    "etcd",
    lazy={"snapshot": ("pykubeadm.cli.etcd_snapshot:snapshot", "Snapshots of etcd: save, list, check, restore, prune")},
    help="Check, back up and recover the cluster's etcd, on one of its control planes.",
)
API_VERSION = "pykubeadm.etcd/v1"  # of the documents that these commands print
_TITLES = ("NAME", "ID", "HEALTH", "ROLE", "VERSION", "SIZE", "IN USE", "REVISION", "ALARMS")


def show(event: Event) -> None:
    """Results and warnings alone, for commands whose output is something else."""
    from pykubeadm.cli.display import subscriber

    subscriber("text", verbosity=0, quiet=True)(event)


def reach_options() -> list[click.Option]:
    """Of commands that look for etcd by this node's files and by the cluster's configuration."""
    return [option("config"), option("kubeconfig")]


def table(titles: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    """Columns as wide as they need be, three blanks between them."""
    every = [titles, *rows]
    widths = [max(len(row[column]) for row in every) + 3 for column in range(len(titles) - 1)]
    return "".join("".join(map(str.ljust, row[:-1], widths)) + f"{row[-1]}".rstrip() + "\n" for row in every)


def mebibytes(size: int) -> str:
    return f"{size / 2**20:.1f} MiB"


def _members(ctx: click.Context, /, **options: Any) -> None:
    from pykubeadm.cli.output import chosen_form
    from pykubeadm.commands.etcd.members import report_members
    from pykubeadm.etcd.client import ClusterUnhealthyError

    form = chosen_form(ctx, options)
    report = report_members(options, show, machine=machine_of(ctx), source=source_of(ctx, options))
    click.echo(printed(report, form), nl=False)
    if report.no_majority:
        raise ClusterUnhealthyError(f"etcd has no majority, and takes no writes: {report.no_majority}")


def printed(report: Report, form: Form) -> str:
    """What is printed in this form, "text" for a table."""
    if form.name != "text":
        members = [_document(each) for each in report.members]
        return form.printed([{"kind": "EtcdMembers", "apiVersion": API_VERSION, "members": members}])
    shown = table(_TITLES, [_row(each) for each in report.members])
    ailing = [each for each in report.members if each.problem]
    return shown + "".join(f"{each.member.name or f'{each.member.id:x}'}: {each.problem}\n" for each in ailing)


def _row(each: MemberReport) -> tuple[str, ...]:
    member, status = each.member, each.status
    role = "learner" if member.learner else "leader" if each.is_leader else "follower"
    known = ("", "", "", "")
    if status is not None:
        known = (status.version, mebibytes(status.db_size), mebibytes(status.db_in_use), str(status.revision))
    health = "no" if each.problem else "ok"
    return (member.name or "(never started)", f"{member.id:x}", health, role, *known, ",".join(each.alarms) or "-")


def _document(each: MemberReport) -> dict[str, Any]:
    member, status = each.member, each.status
    document: dict[str, Any] = {
        "name": member.name,
        "id": f"{member.id:x}",
        "peerURLs": list(member.peer_urls),
        "clientURLs": list(member.client_urls),
        "healthy": not each.problem,
        "leader": each.is_leader,
        "learner": member.learner,
        "alarms": list(each.alarms),
    }
    if each.problem:
        document["problem"] = each.problem
    if status is not None:
        document |= {
            "version": status.version,
            "dbSize": status.db_size,
            "dbSizeInUse": status.db_in_use,
            "revision": status.revision,
        }
    return document


def _reporting_command(
    name: str, load: Callable[[], Callable[..., None]], params: list[click.Option], summary: str, details: str
) -> CliCommand:
    """A command that reports what happens."""

    def run(ctx: click.Context, /, output: str, **options: Any) -> None:
        with reporting(ctx, output) as emit:
            source = {"source": source_of(ctx, options)} if "config" in options else {}
            load()(options, emit, machine=machine_of(ctx), **source)

    return CliCommand(
        name,
        callback=click.pass_context(run),
        params=[*params, output_option()],
        help=f"{summary}. {details}",
        short_help=summary,
    )


def _recover() -> Callable[..., None]:
    from pykubeadm.commands.etcd.command import recover

    return recover


def _rejoin() -> Callable[..., None]:
    from pykubeadm.commands.etcd.command import rejoin

    return rejoin


def _start() -> Callable[..., None]:
    from pykubeadm.commands.etcd.command import start

    return start


def _stop() -> Callable[..., None]:
    from pykubeadm.commands.etcd.command import stop

    return stop


def _defragment() -> Callable[..., None]:
    from pykubeadm.commands.etcd.maintenance import defragment

    return defragment


def _disarm() -> Callable[..., None]:
    from pykubeadm.commands.etcd.maintenance import disarm

    return disarm


etcd.add_command(
    CliCommand(
        "members",
        callback=click.pass_context(_members),
        params=[*reach_options(), *document_options("text")],
        help="Print etcd's members: whether they are healthy, who leads, who does not vote yet, size, revision, alarms. Ends with"
        " status 6 where they have no majority.",
        short_help="Print etcd's members and their health",
    )
)
etcd.add_command(
    _reporting_command(
        "defrag",
        _defragment,
        reach_options(),
        "Give the disk space that etcd no longer uses back",
        "One member at a time, the leader last; each does not answer for some seconds per GiB.",
    )
)
etcd.add_command(
    _reporting_command(
        "stop",
        _stop,
        [],
        "Stop the control plane and etcd on this node, before another node restores or recovers etcd",
        "Their manifests are kept in /var/lib/pykubeadm/stopped; other pods keep running.",
    )
)
etcd.add_command(
    _reporting_command(
        "start",
        _start,
        [],
        "Start what `etcd stop` stopped, as it was",
        "Refused if etcd was restored on another node meanwhile: use `etcd rejoin` then.",
    )
)
etcd.add_command(
    _reporting_command(
        "rejoin",
        _rejoin,
        [option("kubeconfig")],
        "Join the etcd that was restored or recovered on another node, and start the control plane",
        "Also for a member that lost its data. The former data are kept.",
    )
)
etcd.add_command(
    _reporting_command(
        "recover",
        _recover,
        [],
        "Continue with this node's member alone when etcd has lost its majority for good",
        "It keeps the data of this member, and saves an archive of them first. Stop members that still run before"
        " (`etcd stop`), and let them rejoin afterwards (`etcd rejoin`). Refused while there is a majority.",
    )
)
_alarm = CliGroup("alarm", help="etcd's alarms.", short_help="etcd's alarms")
_alarm.add_command(
    _reporting_command(
        "disarm",
        _disarm,
        reach_options(),
        "Clear the alarms that etcd's members raised",
        "Fix what raised them first, or etcd raises them again.",
    )
)
etcd.add_command(_alarm)
