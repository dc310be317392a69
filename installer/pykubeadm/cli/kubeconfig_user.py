"""`pykubeadm kubeconfig user`"""

from __future__ import annotations

from typing import Any

import click

from pykubeadm.cli.lazy import CliCommand, CliGroup, Globals
from pykubeadm.cli.machine import machine_of, source_of
from pykubeadm.cli.options import Strings, flattened, option

kubeconfig = CliGroup("kubeconfig", help="Kubeconfig files for further users.", short_help="Kubeconfig files for further users")


def _user(ctx: click.Context, **options: Any) -> None:
    from pykubeadm.cli.display import subscriber
    from pykubeadm.commands.kubeconfig.user import kubeconfig_user

    settings = ctx.ensure_object(Globals)
    emit = subscriber("text", verbosity=settings.verbosity, quiet=True)
    options["org"] = flattened(options["org"])
    click.echo(kubeconfig_user(options, emit, machine=machine_of(ctx), source=source_of(ctx, options)), nl=False)


kubeconfig.add_command(
    CliCommand(
        "user",
        callback=click.pass_context(_user),
        params=[
            click.Option(["--client-name"], required=True, metavar="TEXT", help="The user's name (the certificate's CN)."),
            click.Option(
                ["--org"], type=Strings(), multiple=True, metavar="LIST", help="The user's groups (the certificate's O)."
            ),
            click.Option(["--token"], metavar="TEXT", help="A token to authenticate with, in place of a certificate."),
            click.Option(
                ["--validity-period"],
                metavar="DURATION",
                help="How long the certificate is valid from now on (default: certificateValidityPeriod, 8760h0m0s).",
            ),
            click.Option(
                ["--csr"],
                metavar="FILE",
                help="Certify the key of this request, so that the key stays with its user. The kubeconfig then names the key's"
                " file, which is to lie beside it: jane.key for jane.csr.",
            ),
            click.Option(
                ["--output-file"], metavar="FILE", help="Write it there, for its owner only (default: standard output)."
            ),
            *(option(name) for name in ("cert-dir", "config", "kubeconfig")),
        ],
        help="Make a kubeconfig for one more user. Without --config, endpoint and name of the cluster are read from it. What"
        " the user may do is for RBAC to say.",
        short_help="Make a kubeconfig for one more user",
    )
)
