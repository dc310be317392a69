"""`pykubeadm config images list` and `pull`"""

from __future__ import annotations

from typing import Any

import click

from pykubeadm.cli.lazy import CliCommand, CliGroup, Globals
from pykubeadm.cli.options import document_options, flattened, option, output_option, unread_kubeconfig

_FLAGS = ("config", "feature-gates", "image-repository", "kubernetes-version")

images = CliGroup(
    "images",
    params=[unread_kubeconfig()],
    help="The container images of a control plane.",
    short_help="The container images of a control plane",
)


def _warn(message: str) -> None:
    click.echo(f"warning: {message}", err=True)


def _list(ctx: click.Context, **options: Any) -> None:
    from pykubeadm.cli.output import chosen_form
    from pykubeadm.commands.config.images import list_images

    form = chosen_form(ctx, options)
    options["feature_gates"] = flattened(options["feature_gates"])
    names = list_images(options, _warn, rootfs=ctx.ensure_object(Globals).rootfs)
    if form.name == "text":
        click.echo("\n".join(names))
        return
    document = {"kind": "Images", "apiVersion": "output.kubeadm.k8s.io/v1alpha3", "images": list(names)}
    click.echo(form.printed([document]), nl=False)


def _pull(ctx: click.Context, output: str, **options: Any) -> None:
    from pykubeadm.cli.display import stamped, subscriber
    from pykubeadm.commands.config.images import pull_images

    settings = ctx.ensure_object(Globals)
    options["feature_gates"] = flattened(options["feature_gates"])
    pull_images(options, stamped(subscriber(output, verbosity=settings.verbosity)), rootfs=settings.rootfs)


images.add_command(
    CliCommand(
        "list",
        callback=click.pass_context(_list),
        params=[
            *(option(name) for name in _FLAGS),
            unread_kubeconfig(),
            *document_options("text"),
        ],
        help="Print the images a control plane needs, one a line.",
    )
)
images.add_command(
    CliCommand(
        "pull",
        callback=click.pass_context(_pull),
        params=[*(option(name) for name in (*_FLAGS, "cri-socket")), unread_kubeconfig(), output_option()],
        help="Have the container runtime pull the images a control plane needs, several at once. What is there already is left"
        " alone; what cannot be obtained is reported with the registry's answer.",
        short_help="Pull the images a control plane needs",
    )
)
