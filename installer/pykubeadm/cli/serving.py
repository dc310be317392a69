"""`pykubeadm certs approve-kubelet-serving`"""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from pykubeadm.cli.lazy import CliCommand

if TYPE_CHECKING:
    from collections.abc import Callable

    from pykubeadm.kube.port import Api

_LOOK_EVERY = 5.0  # seconds; a kubelet without a certificate is only without logs, exec and metrics meanwhile


@click.command("approve-kubelet-serving", cls=CliCommand)
@click.option("--watch", is_flag=True, help="Keep approving requests until interrupted, as the service on control planes does.")
@click.option(
    "--kubeconfig",
    metavar="TEXT",
    help="The kubeconfig to speak to the cluster with (default: $KUBECONFIG, ~/.kube/config, /etc/kubernetes/admin.conf).",
)
@click.option("--dry-run", is_flag=True, help="Print what would be approved; approve nothing.")
@click.pass_context
def approve_kubelet_serving(ctx: click.Context, kubeconfig: str | None, *, watch: bool, dry_run: bool) -> None:
    """Approve kubelets' requests for serving certificates (serverTLSBootstrap).

    A request is approved if it comes from a node and asks for this node's own names and addresses, as its Node has
    them, and nothing else; for any other request the reason is reported.
    """
    import time

    from pykubeadm.cli.kubeconfig import credentials
    from pykubeadm.errors import ApiError
    from pykubeadm.kube.client import ClusterApi

    reported: set[str] = set()
    while True:
        try:
            # Read again each time: the file's certificate is renewed once a year.
            _look(ClusterApi(credentials(ctx, kubeconfig)), reported, click.echo, dry_run=dry_run)
        except ApiError as error:
            if not watch:
                raise
            click.echo(f"warning: {error}", err=True)
        if not watch:
            return
        time.sleep(_LOOK_EVERY)


def _look(api: Api, reported: set[str], say: Callable[[str], None], *, dry_run: bool) -> None:
    """One look at all pending requests; each objection is said once."""
    from pykubeadm.kube.serving_requests import approve, pending_verdicts

    for verdict in pending_verdicts(api):
        if not verdict.objections:
            if not dry_run:
                approve(api, verdict.name)
            say(f"{'would approve' if dry_run else 'approved'} {verdict.name} of node {verdict.node}")
        elif (
            sentence := f"not approved: {verdict.name} of node {verdict.node}: {'; '.join(verdict.objections)}"
        ) not in reported:
            reported.add(sentence)
            say(sentence)
