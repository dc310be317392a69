"""`pykubeadm upgrade plan [version]`"""

from __future__ import annotations

from typing import Any

import click

from pykubeadm.cli.lazy import CliCommand, Globals
from pykubeadm.cli.options import flattened, option, output_option


@click.command(
    "plan",
    cls=CliCommand,
    params=[
        click.Argument(["kubernetes_version"], required=False, metavar="[VERSION]"),
        *(
            option(name)
            for name in (
                "allow-experimental-upgrades",
                "allow-release-candidate-upgrades",
                "config",
                "etcd-upgrade",
                "ignore-preflight-errors",
                "kubeconfig",
                "print-config",
            )
        ),
        output_option(),
    ],
    short_help="Show which versions the cluster can be upgraded to",
)
@click.pass_context
def plan(ctx: click.Context, /, output: str, **values: Any) -> None:
    """Show which versions the cluster can be upgraded to, and what would be in the way. Changes nothing."""
    from pykubeadm.cli.display import stamped, subscriber
    from pykubeadm.commands.upgrade.plan import plan as make_plan

    settings = ctx.ensure_object(Globals)
    options = {name: flattened(value) if isinstance(value, tuple) else value for name, value in values.items()}
    make_plan(options, stamped(subscriber(output, verbosity=settings.verbosity)), rootfs=settings.rootfs)
