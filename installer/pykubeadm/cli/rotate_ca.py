"""`pykubeadm certs rotate-ca`"""

from __future__ import annotations

from typing import Any

import click

from pykubeadm.cli.lazy import CliCommand
from pykubeadm.cli.machine import machine_of
from pykubeadm.cli.options import option, output_option
from pykubeadm.cli.reporting import reporting

_NAMES = ("all", "ca", "etcd-ca", "front-proxy-ca", "sa")
_HELP = """\
Replace the cluster's certificate authorities, and the key that signs tokens of ServiceAccounts, while the cluster runs.

With names (ca, front-proxy-ca, etcd-ca, sa, or all) it starts a rotation on a control plane; without names it continues the
one that is under way. It says on which node to run it next: on the other control planes, then on workers, then here again, once
for each stage.
"""


def _rotate(ctx: click.Context, /, names: tuple[str, ...], output: str, **options: Any) -> None:
    from pykubeadm.commands.certs.rotation.command import rotate_ca

    with reporting(ctx, output) as emit:
        rotate_ca(names, options, emit, machine=machine_of(ctx))


rotate_ca = CliCommand(
    "rotate-ca",
    callback=click.pass_context(_rotate),
    params=[
        click.Argument(["names"], nargs=-1, type=click.Choice(_NAMES), metavar="[NAME]..."),
        click.Option(
            ["--finish"], is_flag=True, help="Remove the former CAs once all nodes use the new ones; cannot be aborted."
        ),
        click.Option(["--abort"], is_flag=True, help="Go back to the former CAs, stage by stage; until --finish."),
        click.Option(
            ["--restart-workloads"],
            is_flag=True,
            help="Have controllers replace the pods that started before both CAs were trusted.",
        ),
        click.Option(
            ["--certificate-key"],
            metavar="TEXT",
            help="The key that the first control plane shows, with which the CAs' keys are encrypted on their way to the others.",
        ),
        option("kubeconfig"),
        output_option(),
    ],
    help=_HELP,
    short_help="Replace the cluster's certificate authorities",
)
