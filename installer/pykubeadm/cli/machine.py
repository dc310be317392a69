"""The machine that commands on a node work on, and the configuration file that their --config names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pykubeadm.cli.lazy import Globals

if TYPE_CHECKING:
    import click

    from pykubeadm.config.source import Source
    from pykubeadm.node.local import LocalNode


def machine_of(ctx: click.Context) -> LocalNode:
    """This machine, or the file tree of --rootfs."""
    from pykubeadm.node.local import LocalNode

    return LocalNode(ctx.ensure_object(Globals).rootfs)


def source_of(ctx: click.Context, options: Mapping[str, Any]) -> Source | None:
    """None where --config is not given; UsageError where its file cannot be read."""
    from pykubeadm.commands.source import read_source

    return read_source(str(options["config"]), ctx.ensure_object(Globals).rootfs) if options.get("config") else None
