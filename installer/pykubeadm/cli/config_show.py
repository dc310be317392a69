"""`pykubeadm config show`"""

from __future__ import annotations

from typing import Literal

import click

from pykubeadm.cli.lazy import CliCommand


@click.command("show", cls=CliCommand)
@click.option("-o", "--output", type=click.Choice(["yaml", "json"]), default="yaml", show_default=True, help="The form to print.")
@click.option(
    "--kubeconfig",
    metavar="TEXT",
    help="The kubeconfig to speak to the cluster with (default: $KUBECONFIG, ~/.kube/config, /etc/kubernetes/admin.conf).",
)
@click.pass_context
def show(ctx: click.Context, output: Literal["yaml", "json"], kubeconfig: str | None) -> None:
    """Print the running cluster's configuration from its ConfigMaps: ClusterConfiguration, KubeletConfiguration and
    KubeProxyConfiguration, as a file for --config has them."""
    from pykubeadm.cli.documents import rendered
    from pykubeadm.cli.kubeconfig import credentials
    from pykubeadm.kube.client import ClusterApi
    from pykubeadm.phases.cluster.stored import administrator, stored_documents

    above = ctx.parent.params.get("kubeconfig") if ctx.parent else None
    found = credentials(ctx, kubeconfig or above)
    reader = administrator(found.path)
    documents = stored_documents(ClusterApi(found), reader, lambda sentence: click.echo(f"warning: {sentence}", err=True))
    click.echo(rendered(documents, output), nl=False)
