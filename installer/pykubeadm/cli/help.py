"""`pykubeadm help COMMAND…`"""

from __future__ import annotations

import click

from pykubeadm.cli.lazy import CliCommand
from pykubeadm.errors import UsageError


@click.command("help", cls=CliCommand)
@click.argument("words", nargs=-1, metavar="COMMAND...")
@click.pass_context
def help_(ctx: click.Context, words: tuple[str, ...]) -> None:
    """Print the help of a command, as its --help does."""
    shown = ctx.find_root()
    for word in words:
        group = shown.command
        command = group.get_command(shown, word) if isinstance(group, click.Group) else None
        if command is None:
            raise UsageError(f'there is no command "{" ".join(words)}"; {shown.command_path} --help lists what there is')
        shown = click.Context(command, info_name=word, parent=shown)
    click.echo(shown.get_help())
