"""`pykubeadm node drain`, `node remove` and `node replace`"""

from __future__ import annotations

from typing import Any

import click

from pykubeadm.cli.lazy import CliCommand
from pykubeadm.cli.machine import machine_of, source_of
from pykubeadm.cli.options import option, output_option
from pykubeadm.cli.reporting import reporting

_DRAIN_FLAGS = ("delete-emptydir-data", "drain-timeout", "kubeconfig")


def _node_name(_ctx: click.Context, argument: click.Parameter, name: str) -> str:
    """UsageError for what no node is called, such as an unset variable in a script."""
    from pykubeadm.config.rules import subdomain
    from pykubeadm.errors import UsageError

    if problem := subdomain(name):
        raise UsageError(f"{(argument.name or '').upper()}: {problem}; `kubectl get nodes` lists the nodes of a cluster")
    return name


def _drain(ctx: click.Context, /, name: str, output: str, **options: Any) -> None:
    from pykubeadm.cli.kubeconfig import credentials
    from pykubeadm.commands.node.drain import drain as run_drain
    from pykubeadm.kube.client import ClusterApi

    api = ClusterApi(credentials(ctx, options["kubeconfig"]))
    with reporting(ctx, output) as emit:
        run_drain(name, options, api, emit)


def _remove(ctx: click.Context, /, name: str, output: str, **options: Any) -> None:
    from pykubeadm.commands.node.remove import remove as run_remove

    with reporting(ctx, output) as emit:
        run_remove(name, options, emit, machine=machine_of(ctx), source=source_of(ctx, options))


def _replace(ctx: click.Context, /, old: str, output: str, **options: Any) -> None:
    from pykubeadm.cli.options import flattened
    from pykubeadm.commands.join.command import replace as run_replace

    given = {key: flattened(value) if isinstance(value, tuple) else value for key, value in options.items()}
    with reporting(ctx, output) as emit:
        run_replace(old, given, emit, machine=machine_of(ctx), source=source_of(ctx, given))


def _join_flags() -> list[click.Option]:
    from pykubeadm.cli.join import FLAGS, join

    return [join.phased.option(flag) for flag in FLAGS]


drain = CliCommand(
    "drain",
    callback=click.pass_context(_drain),
    params=[
        click.Argument(["name"], callback=_node_name),
        *(option(flag) for flag in _DRAIN_FLAGS),
        output_option(),
    ],
    help="Cordon a node and evict its pods as their PodDisruptionBudgets allow. Pods of DaemonSets and static pods stay. Refused"
    " before anything changes, with their names, where pods have no controller that would make them again, or keep data in an"
    " emptyDir.",
    short_help="Evict a node's pods",
)
remove = CliCommand(
    "remove",
    callback=click.pass_context(_remove),
    params=[
        click.Argument(["name"], callback=_node_name),
        *(option(flag) for flag in ("config", *_DRAIN_FLAGS)),
        output_option(),
    ],
    help="Remove a node from the cluster for good, dead or alive, on a control plane that stays: its member of etcd, if the"
    " others have a majority without it, its Node, leases and certificate signing requests. One that is alive is drained first.",
    short_help="Remove a node from the cluster, dead or alive",
)
replace = CliCommand(
    "replace",
    callback=click.pass_context(_replace),
    params=[
        click.Argument(["old"], callback=_node_name),
        click.Argument(["api_server_endpoint"], required=False),
        *_join_flags(),
        output_option(),
    ],
    help="Make this machine a control plane in place of OLD, which is dead: pass the arguments of a join command for"
    " a control plane. OLD leaves the cluster first: its member of etcd, if the others have a majority without it, its Node,"
    " leases and certificate signing requests. The new machine may have the same name and address, or others.",
    short_help="Make this machine a control plane in place of a dead one",
)
