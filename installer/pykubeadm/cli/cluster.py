"""`pykubeadm cluster …`: a whole fleet from one file"""

from __future__ import annotations

from typing import Any

import click

from pykubeadm.cli.confirm import confirmed
from pykubeadm.cli.fleet_options import (
    begin_log,
    begun,
    choosing,
    described_of,
    emit_of,
    ending_well,
    failed,
    options_of,
    running,
    show_log,
    sources,
)
from pykubeadm.cli.lazy import CliCommand, CliGroup, Globals
from pykubeadm.cli.options import document_options, output_option

cluster = CliGroup(
    "cluster",
    lazy={
        "certs": ("pykubeadm.cli.cluster_certs:certs", "Certificates of all control planes"),
        "etcd": ("pykubeadm.cli.cluster_etcd:etcd", "The cluster's etcd: members, a snapshot"),
    },
    help="Make, change and check a whole cluster from one file, over SSH.",
)

_UNTIL = ("prepare", "init", "join")


def _plan(ctx: click.Context, **values: Any) -> int:
    from pykubeadm.fleet.command import CHANGES_WANTED, further, planned, run_plan
    from pykubeadm.fleet.plan import lines

    described, options = begun(values)
    emit = emit_of(ctx, described)
    found = run_plan(described, options, emit)
    if ctx.ensure_object(Globals).output == "json":
        for event in planned(found.plan):
            emit(event)
    else:
        for line in lines(found.plan):
            click.echo(line)
        for host, problem in found.plan.problems:
            click.echo(problem if problem.startswith(host) else f"{host}: {problem}", err=True)
        if commands := further(found.plan):
            click.echo(f"{'Nothing to do for `pykubeadm cluster apply`;' if found.plan.empty else 'After that'} run {commands}")
        elif found.plan.empty and not found.plan.problems:
            click.echo("Nothing to do: the cluster is as the file says")
    if found.plan.problems or found.bug:
        return failed(ctx, found.bug)
    return CHANGES_WANTED if found.plan.actions or found.plan.drift else 0


def _apply(ctx: click.Context, **values: Any) -> None:
    from pykubeadm.fleet.command import run_apply

    described, options = begun(values)
    log = begin_log(described, "cluster apply")
    emit = log.keeping(emit_of(ctx, described))
    with ending_well(log, emit):
        run_apply(described, options, emit, log=log)


def _init(hosts: tuple[str, ...], control_planes: int) -> None:
    from pykubeadm.config.versions import NEWEST_KNOWN
    from pykubeadm.fleet.start import starting_file

    click.echo(starting_file(hosts, control_planes, NEWEST_KNOWN), nl=False)


def _validate(**values: Any) -> None:
    from pykubeadm.config.fleet import ETCD, PARTS

    described = described_of(values)
    cluster, kubeadm = described.cluster, described.configuration.cluster
    parts = {part: len(cluster.having(part)) for part in PARTS}
    words = {part: part if number == 1 or part == ETCD else f"{part}s" for part, number in parts.items()}
    listed = ", ".join(f"{number} {words[part]}" for part, number in parts.items() if number)
    click.echo(f"The file is good: {listed}; Kubernetes {kubeadm.kubernetes_version}")


def _inventory(**values: Any) -> None:
    from pykubeadm.errors import UsageError
    from pykubeadm.fleet.variables import complete_inventory
    from pykubeadm.util.yaml_output import to_yaml

    if values["inventory"]:
        raise UsageError("--inventory: that one is an inventory already; ansible-inventory --list prints it")
    click.echo(to_yaml(complete_inventory(described_of(values))), nl=False)


cluster.add_command(
    CliCommand(
        "init",
        callback=_init,
        params=[
            click.Argument(["hosts"], nargs=-1, required=True, metavar="[USER@]HOST[:PORT]..."),
            click.Option(
                ["-C", "--control-planes"],
                type=int,
                default=1,
                show_default=True,
                help="How many of the hosts, the first ones.",
            ),
        ],
        help="Print a commented cluster file to start from, for these hosts.",
        short_help="Print a cluster file to start from",
    )
)
cluster.add_command(
    CliCommand(
        "validate",
        callback=_validate,
        params=sources(),
        help="Check the cluster file; no machine is asked. Every problem is printed with its place.",
        short_help="Check the cluster file",
    )
)
cluster.add_command(
    CliCommand(
        "inventory",
        callback=_inventory,
        params=sources(),
        help="Print the file's hosts as an Ansible inventory, with the variables of the node roles, for playbooks of your own.",
        short_help="Print the hosts as an Ansible inventory",
    )
)
cluster.add_command(
    CliCommand(
        "plan",
        callback=click.pass_context(_plan),
        params=[*sources(), *choosing(), output_option()],
        help="Show what `apply` would do on each machine, and what else is not as the file says, with the command that changes "
        "it; change nothing. The exit status is 0 if there is nothing to do, 11 if there is, and 5 if something prevents it.",
        short_help="Show what apply would do; change nothing",
    )
)
cluster.add_command(
    CliCommand(
        "apply",
        callback=click.pass_context(_apply),
        params=[
            *sources(),
            *running(),
            click.Option(["--until"], type=click.Choice(_UNTIL), help="Stop after this phase."),
            output_option(),
        ],
        help="Create the cluster that the file describes, or bring it up to date: prepare machines, init, join, "
        "remove those marked absent. Run it again after a failure or a change: it does what is missing.",
        short_help="Create the cluster that the file describes, or bring it up to date",
    )
)


def _reset(ctx: click.Context, **values: Any) -> None:
    from dataclasses import replace

    from pykubeadm.errors import DeclinedError
    from pykubeadm.fleet.command import run_apply
    from pykubeadm.fleet.file import without_hosts
    from pykubeadm.fleet.resetting import run_reset

    described, options = begun(values)
    log = begin_log(described, "cluster reset")
    names = [host.name for host in described.limited(options.limit)]
    if not values["yes"]:
        click.echo(
            f"This takes apart {'the whole cluster' if not options.limit else 'a part of the cluster'}: {', '.join(names)}.",
            err=True,
        )
        if not confirmed("Continue?"):
            raise DeclinedError("nothing was reset: it was not confirmed; answer y, or give --yes")
        options = options_of(values)  # the time of --timeout begins now
    emit = log.keeping(emit_of(ctx, described))
    with ending_well(log, emit):
        if options.limit:
            leaving, some = without_hosts(described, names), replace(options, limit=tuple(names))
            run_apply(leaving, some, emit, log=log, command="cluster reset")
        else:
            run_reset(described, options, emit, log=log)


def _status(ctx: click.Context, **values: Any) -> int:
    from pykubeadm.cli.output import chosen_form
    from pykubeadm.fleet.command import CHANGES_WANTED
    from pykubeadm.fleet.status import run_status, table

    form = chosen_form(ctx, values) if values["output"] != "text" else None
    described, options = begun(values)
    status = run_status(described, options, lambda _event: None)
    if form is not None:
        click.echo(form.printed([status.document()]), nl=False)
    else:
        for line in table(status):
            click.echo(line)
        for line in status.problems:
            click.echo(line, err=True)
        for line in status.drift:
            click.echo(f"to do: {line}", err=True)
    if status.problems or status.bug:
        return failed(ctx, status.bug)
    return CHANGES_WANTED if status.drift else 0


def _kubeconfig(**values: Any) -> None:
    from pykubeadm.fleet.asking import admin_kubeconfig

    click.echo(admin_kubeconfig(*begun(values)), nl=False)


def _run(ctx: click.Context, command: tuple[str, ...], **values: Any) -> int:
    from pykubeadm.errors import BugError, PykubeadmError
    from pykubeadm.fleet.asking import run_on_each
    from pykubeadm.node.port import Completed

    described, options = begun(values)
    log = begin_log(described, "cluster run")
    width = max(len(host.name) for host in described.cluster.hosts)
    bugs: list[BugError] = []

    def show(name: str, ended: Completed | PykubeadmError) -> None:
        bugs.extend([ended] if isinstance(ended, BugError) else [])
        if isinstance(ended, PykubeadmError):
            click.echo(f"{name:<{width}}  {ended}", err=True)
            return
        for stream, text in ((False, ended.stdout), (True, ended.stderr)):
            for line in text.splitlines():
                click.echo(f"{name:<{width}}  {line}", err=stream)
        if ended.status:
            click.echo(f"{name:<{width}}  ended with status {ended.status}", err=True)

    with ending_well(log):
        number = run_on_each(described, command, options, show, log=log)
        if number:
            show_log(log)
    return failed(ctx, *bugs[:1]) if number else 0


cluster.add_command(
    CliCommand(
        "reset",
        callback=click.pass_context(_reset),
        params=[
            *sources(),
            *running(),
            click.Option(["-y", "--yes"], is_flag=True, help="Do not ask for confirmation."),
            output_option(),
        ],
        help="Take the cluster apart: undo on every machine what init and join did. With --limit only these hosts leave the "
        "cluster, in order: drained, out of etcd, reset. What the machines were prepared with stays.",
        short_help="Take the cluster, or hosts of it, apart",
    )
)
cluster.add_command(
    CliCommand(
        "status",
        callback=click.pass_context(_status),
        params=[*sources(), *choosing(), *document_options("text")],
        help="Show hosts, versions, etcd, certificates and add-ons, and what is not as the file says. The exit status is 0 where "
        "all is well, 11 where there is something to do, as `plan` shows it, 5 where something is wrong.",
        short_help="Show how the cluster is, and what is not as the file says",
    )
)
cluster.add_command(
    CliCommand(
        "kubeconfig",
        callback=_kubeconfig,
        params=[*sources(), *choosing()],
        help="Print the administrator's kubeconfig.",
        short_help="Print the administrator's kubeconfig",
    )
)
cluster.add_command(
    CliCommand(
        "run",
        callback=click.pass_context(_run),
        params=[*sources(), *running(), click.Argument(["command"], nargs=-1, required=True, metavar="-- COMMAND...")],
        help="Run a command as root on every host, side by side.",
        short_help="Run a command on every host",
    )
)


def _upgrade(ctx: click.Context, **values: Any) -> None:
    from pykubeadm.fleet.upgrading import run_upgrade

    described, options = begun(values)
    log = begin_log(described, "cluster upgrade")
    emit = log.keeping(emit_of(ctx, described))
    with ending_well(log, emit):
        run_upgrade(
            described,
            options,
            values["max_unavailable"],
            emit,
            delete_emptydir_data=values["delete_emptydir_data"],
            log=log,
        )


cluster.add_command(
    CliCommand(
        "upgrade",
        callback=click.pass_context(_upgrade),
        params=[
            *sources(),
            *running(),
            click.Option(
                ["--max-unavailable"],
                type=click.IntRange(1),
                default=1,
                show_default=True,
                help="How many workers are drained and upgraded at a time.",
            ),
            click.Option(["--delete-emptydir-data"], is_flag=True, help="Evict pods with data in an emptyDir, too: it is lost."),
            output_option(),
        ],
        help="Upgrade to the version that the file names: control planes one by one, then workers, each drained, with its "
        "kubelet. After a failure, or --timeout, no further machine is started; run it again to continue.",
        short_help="Upgrade to the version that the file names",
    )
)


def _reconfigure(ctx: click.Context, *, dry_run: bool, **values: Any) -> None:
    from pykubeadm.fleet.reconfiguring import run_reconfigure

    described, options = begun(values)
    log = begin_log(described, "cluster reconfigure")
    emit = log.keeping(emit_of(ctx, described))
    with ending_well(log, emit):
        run_reconfigure(described, options, emit, dry_run=dry_run, log=log)


cluster.add_command(
    CliCommand(
        "reconfigure",
        callback=click.pass_context(_reconfigure),
        params=[
            *sources(),
            *running(),
            click.Option(["--dry-run"], is_flag=True, help="Show as unified diffs what would change; change nothing."),
            output_option(),
        ],
        help="Bring the running cluster to the file's ClusterConfiguration, KubeletConfiguration and KubeProxyConfiguration: "
        "control planes one after the other, then the other nodes. What does not become healthy is put back, and no further "
        "machine is started; run it again to continue.",
        short_help="Bring the running cluster to the file's configuration",
    )
)
