"""`pykubeadm version`"""

from __future__ import annotations

import click

from pykubeadm import __version__
from pykubeadm.cli.lazy import CliCommand


@click.command(cls=CliCommand)
@click.option("-o", "--output", type=click.Choice(["short", "json", "yaml"]), help="Output format (default: a line of text).")
def version(output: str | None) -> None:
    """Print pykubeadm's version."""
    if output == "short":
        click.echo(f"v{__version__}")
    elif output is None:
        click.echo(f"pykubeadm version: v{__version__}")
    else:
        import platform

        facts = {"version": f"v{__version__}", "python": platform.python_version(), "platform": platform.machine()}
        if output == "json":
            import json

            click.echo(json.dumps({"clientVersion": facts}, indent=2))
        else:
            import yaml

            click.echo(yaml.safe_dump({"clientVersion": facts}, sort_keys=False), nl=False)
