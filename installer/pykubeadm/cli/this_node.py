"""Whether the machine that a command runs on is a node, for commands that look at nodes and clusters."""

from __future__ import annotations

import click

from pykubeadm.cli.lazy import Globals
from pykubeadm.node.local import LocalNode


def this_node(ctx: click.Context) -> LocalNode | None:
    """None where it is no node, or none that this user may look at, which is said."""
    from pykubeadm.commands.doctor.command import is_node
    from pykubeadm.errors import NodeError

    here = LocalNode(ctx.ensure_object(Globals).rootfs)
    try:
        return here if is_node(here) else None
    except NodeError as error:
        click.echo(f"warning: nothing is asked of this node: {error}", err=True)
        return None
