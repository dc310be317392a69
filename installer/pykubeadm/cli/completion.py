"""`pykubeadm completion`"""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from pykubeadm.cli.lazy import CliCommand


@click.command(cls=CliCommand)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(ctx: click.Context, shell: str) -> None:
    """Print the completion code of a shell: source <(pykubeadm completion bash)."""
    complete = get_completion_class(shell)
    assert complete is not None
    click.echo(complete(ctx.find_root().command, {}, "pykubeadm", "_PYKUBEADM_COMPLETE").source())
