"""`pykubeadm support`"""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

import click

from pykubeadm.cli.lazy import CliCommand, Globals
from pykubeadm.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import datetime

    from pykubeadm.commands.support.item import Item
    from pykubeadm.kube.credentials import Credentials
    from pykubeadm.node.port import Node


@click.command(cls=CliCommand)
@click.option("--output-file", metavar="FILE", help="The archive to write (default: pykubeadm-support-HOST-TIME.tar.gz, here).")
@click.option(
    "--kubeconfig",
    metavar="TEXT",
    help="The kubeconfig to speak to the cluster with (default: $KUBECONFIG, ~/.kube/config, /etc/kubernetes/admin.conf).",
)
@click.pass_context
def support(ctx: click.Context, /, output_file: str | None, kubeconfig: str | None) -> None:
    """Collect what support needs to know about this node and its cluster: versions, configuration, unit states, logs, events,
    what doctor finds. Secrets, keys, tokens and passwords are left out; what the archive holds is listed.

    It also works when the cluster does not: then it holds what the node knows.
    """
    import socket
    from datetime import UTC, datetime

    from pykubeadm.cli.kubeconfig import credentials
    from pykubeadm.cli.this_node import this_node
    from pykubeadm.commands.support.command import pack
    from pykubeadm.constants import CRI_SOCKETS
    from pykubeadm.errors import ApiError
    from pykubeadm.kube.client import ClusterApi
    from pykubeadm.node.local import LocalNode
    from pykubeadm.node.port import File

    if output_file and os.path.isdir(output_file):
        raise UsageError(f"--output-file: {output_file} is a directory; give the path of a file in it")
    here = LocalNode(ctx.ensure_object(Globals).rootfs)
    node = this_node(ctx)
    found: Credentials | None = None
    try:
        found = credentials(ctx, kubeconfig)
    except (UsageError, ApiError) as error:
        if node is None or kubeconfig:
            raise
        click.echo(f"warning: nothing is asked of the cluster: {error}", err=True)
    at = datetime.now(UTC)
    name = f"pykubeadm-support-{socket.gethostname()}-{at:%Y%m%dT%H%M%SZ}"
    packed = pack(
        node,
        ClusterApi(found) if found else None,
        lambda: _reports(node, found, here.now),
        name=name,
        socket=next((each for each in CRI_SOCKETS if here.stat(each.removeprefix("unix://"))), CRI_SOCKETS[0]),
        at=at,
    )
    path = os.path.abspath(output_file or f"{name}.tar.gz")
    LocalNode().write([File(path, packed.archive, 0o600, uid=os.geteuid(), gid=os.getegid())])
    for each, size in packed.held:
        click.echo(f"{size:>9} {each}")
    for sentence in packed.missing:
        click.echo(f"warning: not in it: {sentence}", err=True)
    click.echo(f"{path} has {len(packed.held)} files, {len(packed.archive) / 1024:.0f} KiB; look through it before you send it")


def _reports(node: Node | None, found: Credentials | None, now: Callable[[], datetime]) -> Iterator[Item]:
    """What doctor finds, as a document and as a page."""
    import platform

    from pykubeadm import __version__
    from pykubeadm.commands.doctor.command import diagnose
    from pykubeadm.commands.doctor.report import document, html
    from pykubeadm.commands.support.item import Item

    diagnosis = diagnose(node, (lambda: found) if found else None, now)
    yield Item("pykubeadm.txt", lambda: f"pykubeadm v{__version__}, Python {platform.python_version()}\n")
    yield Item("doctor.json", lambda: json.dumps(document(diagnosis), indent=2, ensure_ascii=False))
    yield Item("doctor.html", lambda: html(diagnosis))
