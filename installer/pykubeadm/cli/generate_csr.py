"""`pykubeadm certs generate-csr`"""

from __future__ import annotations

from typing import Any

import click

from pykubeadm.cli.lazy import CliCommand, Globals
from pykubeadm.cli.machine import machine_of, source_of
from pykubeadm.cli.options import option, output_option


def _generate_csr(ctx: click.Context, output: str, **options: Any) -> None:
    from pykubeadm.cli.display import stamped, subscriber
    from pykubeadm.commands.certs.csr import generate_csr as run_generate_csr

    settings = ctx.ensure_object(Globals)
    emit = stamped(subscriber(output, verbosity=settings.verbosity))
    run_generate_csr(options, emit, machine=machine_of(ctx), source=source_of(ctx, options))


generate_csr = CliCommand(
    "generate-csr",
    callback=click.pass_context(_generate_csr),
    params=[*(option(name) for name in ("cert-dir", "config", "kubeconfig-dir")), output_option()],
    help="Make keys and certificate signing requests for all certificates and kubeconfigs of a control plane, for a CA whose key"
    " is elsewhere. Keys that are there are used, nothing is overwritten. Without --config the cluster's configuration is taken"
    " where admin.conf leads to one.",
    short_help="Make keys and certificate signing requests",
)
