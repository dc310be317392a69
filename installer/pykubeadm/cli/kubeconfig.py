"""Which kubeconfig a command takes that speaks to a cluster without a run of phases."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import click

from pykubeadm.cli.lazy import Globals
from pykubeadm.errors import UsageError

if TYPE_CHECKING:
    from pykubeadm.kube.credentials import Credentials
    from pykubeadm.node.local import LocalNode


def credentials(ctx: click.Context, path: str | None) -> Credentials:
    """Those of --kubeconfig, which may stand before the command, too; else where kubectl looks for them, then admin.conf, as
    kubeadm does (cmd/util/cmdutil.go, GetKubeConfigPath): who sets KUBECONFIG does not mean the cluster of ~/.kube/config.
    UsageError where there is none, ApiError where it cannot be used."""
    from pykubeadm.constants import ADMIN_KUBECONFIG
    from pykubeadm.kube.credentials import parse_kubeconfig
    from pykubeadm.kube.expiry import expiry_warning
    from pykubeadm.node.local import LocalNode
    from pykubeadm.phases.run import utc_now

    path = path or _of_group(ctx)
    node = LocalNode(ctx.ensure_object(Globals).rootfs)
    named = [place for place in os.environ.get("KUBECONFIG", "").split(os.pathsep) if place]
    places = [path] if path else [*(named or [os.path.expanduser("~/.kube/config")]), ADMIN_KUBECONFIG]
    for place in places:
        content = _read(node, place)
        if content is not None:
            found = parse_kubeconfig(content, place)
            if (sentence := expiry_warning(found, utc_now())) is not None:
                click.echo(f"warning: {sentence}", err=True)
            return found
    raise UsageError(
        f"there is no kubeconfig at {' or '.join(places)}: give one with --kubeconfig, or run this on a control plane"
    )


def _read(node: LocalNode, place: str) -> bytes | None:
    from pykubeadm.errors import ApiError, NodeError

    path = os.path.abspath(place)
    try:
        if (found := node.stat(path)) is not None and found.kind == "directory":
            raise ApiError(f"the kubeconfig {place} is a directory: name the file in it, with --kubeconfig or in KUBECONFIG")
        return node.read(path)
    except NodeError as error:
        raise ApiError(f"the kubeconfig cannot be used: {error}") from error


def _of_group(ctx: click.Context) -> str | None:
    """`pykubeadm token --kubeconfig FILE list`."""
    return ctx.parent.params.get("kubeconfig") if ctx.parent else None
