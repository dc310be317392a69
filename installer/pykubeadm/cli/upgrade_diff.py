"""`pykubeadm upgrade diff [version]`"""

from __future__ import annotations

from typing import Any

import click

from pykubeadm.cli.lazy import CliCommand, Globals
from pykubeadm.cli.options import option, output_option


@click.command(
    "diff",
    cls=CliCommand,
    params=[
        click.Argument(["kubernetes_version"], required=False, metavar="[VERSION]"),
        *(option(name) for name in ("config", "kubeconfig")),
        click.Option(["-c", "--context-lines"], type=int, metavar="NUMBER", help="Lines around each difference (default: 3)."),
        output_option(),
    ],
    short_help="Show what an upgrade would change",
)
@click.pass_context
def diff(ctx: click.Context, /, output: str, **options: Any) -> None:
    """Show, as a unified diff, what an upgrade would change. Changes nothing."""
    from pykubeadm.cli.display import stamped, subscriber
    from pykubeadm.commands.upgrade.diff import diff as show_diff

    settings = ctx.ensure_object(Globals)
    show_diff(options, stamped(subscriber(output, verbosity=settings.verbosity)), rootfs=settings.rootfs)
