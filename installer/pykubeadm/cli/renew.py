"""`pykubeadm certs renew …`: a sub-command for each certificate, and `all`."""

from __future__ import annotations

from functools import partial
from typing import Any

import click

from pykubeadm.cli.lazy import CliCommand, CliGroup, Globals
from pykubeadm.cli.machine import machine_of, source_of
from pykubeadm.cli.options import option, output_option

_KUBELET = ("kubelet.conf", "certificates of this node's kubelet, which renews them itself until they have expired")


def _renew(name: str, ctx: click.Context, output: str, **options: Any) -> None:
    from pykubeadm.cli.display import stamped, subscriber
    from pykubeadm.commands.certs.renew import renew as run_renew

    settings = ctx.ensure_object(Globals)
    emit = stamped(subscriber(output, verbosity=settings.verbosity))
    run_renew(name, options, emit, machine=machine_of(ctx), source=source_of(ctx, options))


class _Renew(CliGroup):
    """The sub-commands are made from the table of what can be renewed."""

    def _summaries(self) -> dict[str, str]:
        from pykubeadm.phases.certs.leaves import LEAVES

        rows = {leaf.name: leaf.words for leaf in LEAVES} | dict([_KUBELET])
        return {"all": "Renew all available certificates", **{name: f"Renew the {words}" for name, words in rows.items()}}

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(self._summaries())

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        summary = self._summaries().get(cmd_name)
        if summary is None:
            return None
        return CliCommand(
            cmd_name,
            callback=click.pass_context(partial(_renew, cmd_name)),
            params=[
                *(option(name) for name in ("cert-dir", "config", "kubeconfig")),
                click.Option(
                    ["--no-restart"],
                    is_flag=True,
                    help="Do not restart the controller manager and the scheduler, which keep their old certificates.",
                ),
                output_option(),
            ],
            help=f"{summary}. The old files are kept below /var/lib/pykubeadm/backup.",
            short_help=summary,
        )


renew = _Renew("renew", help="Renew certificates of this control plane.", short_help="Renew certificates of this control plane")
