"""`pykubeadm upgrade diff [version]`"""

from __future__ import annotations

from typing import Any

import click

from pykubeadm.cli.lazy import CliCommand, Globals
from pykubeadm.cli.options import Number, option, output_option

_DIFFERENT = 1  # as diff(1), git and kubectl have it; errors of pykubeadm's diff have other ones


def _diff(ctx: click.Context, output: str, *, exit_code: bool, **options: Any) -> None:
    from pykubeadm.cli.display import stamped, subscriber
    from pykubeadm.commands.source import read_source
    from pykubeadm.commands.upgrade.diff import diff as show_diff
    from pykubeadm.node.local import LocalNode

    settings = ctx.ensure_object(Globals)
    machine = LocalNode(settings.rootfs)
    source = read_source(options["config"], machine.root) if options.get("config") else None
    emit = stamped(subscriber(output, verbosity=settings.verbosity, quiet=True))
    if show_diff(options, emit, machine=machine, source=source) and exit_code:
        ctx.exit(_DIFFERENT)


diff = CliCommand(
    "diff",
    callback=click.pass_context(_diff),
    params=[
        click.Argument(["kubernetes_version"], required=False, metavar="[VERSION]"),
        *(option(name) for name in ("config", "kubeconfig", "patches")),
        click.Option(
            ["-c", "--context-lines"], type=Number(), metavar="NUMBER", help="Lines around each difference (default: 3)."
        ),
        click.Option(["--exit-code"], is_flag=True, help="End with status 1 where there are differences."),
        output_option(),
    ],
    help="Show, as unified diffs, what an upgrade would change on this control plane and in the cluster, in a fixed order: static"
    " pods, the kubelet's files, add-ons, the cluster's configuration. Changes nothing. Without a version: that of the"
    " configuration file's diff.kubernetesVersion, else the cluster's.",
    short_help="Show what an upgrade would change",
)
