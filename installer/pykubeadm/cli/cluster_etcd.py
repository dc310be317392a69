"""`pykubeadm cluster etcd …`"""

from __future__ import annotations

from typing import Any

import click

from pykubeadm.cli.etcd import printed, show
from pykubeadm.cli.etcd_snapshot import save_options
from pykubeadm.cli.fleet_options import begin_log, begun, choosing, ending_well, sources
from pykubeadm.cli.lazy import CliCommand, CliGroup
from pykubeadm.cli.options import document_options, output_option
from pykubeadm.cli.reporting import reporting

etcd = CliGroup("etcd", help="The cluster's etcd, through a control plane that can be reached.")


def _members(ctx: click.Context, /, **values: Any) -> None:
    from pykubeadm.cli.output import chosen_form
    from pykubeadm.etcd.client import ClusterUnhealthyError
    from pykubeadm.fleet.etcd import members

    form = chosen_form(ctx, values)
    report = members(*begun(values), show)
    click.echo(printed(report, form), nl=False)
    if report.no_majority:
        raise ClusterUnhealthyError(f"etcd has no majority, and takes no writes: {report.no_majority}")


def _save(ctx: click.Context, /, output: str, **values: Any) -> None:
    from pykubeadm.fleet.etcd import save_snapshot

    described, options = begun(values)
    log = begin_log(described, "cluster etcd snapshot save")
    with ending_well(log), reporting(ctx, output) as emit:
        save_snapshot(described, values, options, log.keeping(emit), log=log)


etcd.add_command(
    CliCommand(
        "members",
        callback=click.pass_context(_members),
        params=[*sources(), *choosing(), *document_options("text")],
        help="Print etcd's members: whether they are healthy, who leads, who does not vote yet, size, revision, alarms. Ends with"
        " status 6 where they have no majority.",
        short_help="Print etcd's members and their health",
    )
)
_snapshot = CliGroup("snapshot", help="Snapshots of etcd, with the cluster's keys and certificates.")
_snapshot.add_command(
    CliCommand(
        "save",
        callback=click.pass_context(_save),
        params=[*save_options(), *sources(), *choosing(), output_option()],
        help="Save a snapshot of etcd, with everything that restoring the cluster needs, on the control plane that it is taken"
        " from, or in a bucket. Files that are named are that machine's.",
        short_help="Save a snapshot of etcd",
    )
)
etcd.add_command(_snapshot)
