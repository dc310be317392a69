"""`pykubeadm config show`"""

from __future__ import annotations

from typing import Any

import click

from pykubeadm.cli.lazy import CliCommand
from pykubeadm.cli.options import document_options


@click.command("show", cls=CliCommand, params=document_options())
@click.option(
    "--kubeconfig",
    metavar="TEXT",
    help="The kubeconfig to speak to the cluster with (default: $KUBECONFIG, ~/.kube/config, /etc/kubernetes/admin.conf).",
)
@click.pass_context
def show(ctx: click.Context, /, kubeconfig: str | None, **options: Any) -> None:
    """Print the running cluster's configuration from its ConfigMaps: ClusterConfiguration, KubeletConfiguration and
    KubeProxyConfiguration, as a file for --config has them."""
    from pykubeadm.cli.kubeconfig import credentials
    from pykubeadm.cli.output import chosen_form
    from pykubeadm.kube.client import ClusterApi
    from pykubeadm.phases.cluster.stored import administrator, stored_documents

    form = chosen_form(ctx, options)
    found = credentials(ctx, kubeconfig)
    reader = administrator(found.path)
    documents = stored_documents(ClusterApi(found), reader, lambda sentence: click.echo(f"warning: {sentence}", err=True))
    click.echo(form.printed(documents), nl=False)
