"""`pykubeadm node prepare` and `pykubeadm node facts`"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import click

from pykubeadm.cli.lazy import CliCommand, CliGroup, Globals
from pykubeadm.cli.options import document_options, option, output_option
from pykubeadm.constants import CRI_SOCKETS

if TYPE_CHECKING:
    from pykubeadm.commands.node.prepare import Nodes

_OWN = frozenset({"inventory", "limit", "check", "diff", "part", "tags"})
# Those of init's flags that decide what a node needs.
_FLAGS = ("config", "cri-socket", "image-repository", "kubernetes-version", "node-name", "pod-network-cidr", "service-cidr")


def _node_options() -> list[click.Parameter]:
    return [
        click.Option(
            ["-i", "--inventory"],
            multiple=True,
            metavar="FILE",
            help="An Ansible inventory: act on its nodes over SSH instead of on this one. May be given several times.",
        ),
        click.Option(["-l", "--limit"], metavar="NODES", help="Only these nodes of the inventory (Ansible's patterns)."),
    ]


node = CliGroup(
    "node",
    lazy={
        "drain": ("pykubeadm.cli.node_removal:drain", "Evict a node's pods"),
        "remove": ("pykubeadm.cli.node_removal:remove", "Remove a node from the cluster, dead or alive"),
        "replace": ("pykubeadm.cli.node_removal:replace", "Make this machine a control plane in place of a dead one"),
    },
    help="Prepare nodes for Kubernetes, show what is found on them; drain, remove and replace nodes of a cluster.",
)


def _prepare(ctx: click.Context, **values: Any) -> None:
    from contextlib import nullcontext
    from dataclasses import replace

    from pykubeadm.ansible.assets import find_assets
    from pykubeadm.ansible.variables import node_variables
    from pykubeadm.cli.display import stamped, subscriber
    from pykubeadm.commands.init.begin import begin
    from pykubeadm.commands.node.prepare import prepare_nodes
    from pykubeadm.commands.source import read_source
    from pykubeadm.config.defaults import NO_ADDRESS
    from pykubeadm.node.facts import host_facts
    from pykubeadm.node.local import LocalNode

    settings = ctx.ensure_object(Globals)
    given: dict[str, Any] = {name: value for name, value in values.items() if name not in _OWN}
    machine = LocalNode()
    host = host_facts(machine)
    if values["inventory"] or not host.cri_sockets:
        # A runtime on the machine we run on says nothing of others; and one that is to be installed is not there yet.
        host = replace(host, cri_sockets=CRI_SOCKETS[:1])
    if not (host.default_ipv4 or host.default_ipv6):
        host = replace(host, default_ipv4=NO_ADDRESS)  # a node can be prepared before it has a default route, or without one
    source = read_source(given["config"], machine.root) if given.get("config") else None
    emit = stamped(subscriber(settings.output, verbosity=settings.verbosity))
    run = begin(machine, given, emit, source=source, host=host)
    tags = _tags(values["tags"] or "")
    nodes = _nodes(ctx, values, run.node_name)
    variables = node_variables(
        run.configuration,
        part=values["part"],
        assets=find_assets(run.configuration.cluster.kubernetes_version, os.environ),
        proxy_env=run.host.proxy_env,
        addresses=() if nodes.inventories else (run.host.hostname, *sorted(run.host.addresses)),
    )
    here = not nodes.inventories and not values["check"]
    with LocalNode(settings.rootfs).exclusive("pykubeadm node prepare") if here else nullcontext():
        prepare_nodes(nodes, variables, emit, check=values["check"], diff=values["diff"], tags=tags)


node.add_command(
    CliCommand(
        "prepare",
        callback=click.pass_context(_prepare),
        params=[
            *_node_options(),
            click.Option(["--check"], is_flag=True, help="Report what would change; change nothing."),
            click.Option(["--diff"], is_flag=True, help="Show files and settings before and after."),
            click.Option(
                ["--part"],
                type=click.Choice(["control-plane", "worker"]),
                default="control-plane",
                show_default=True,
                help="What the node will be; decides which ports are opened where a firewall is active.",
            ),
            click.Option(["--tags"], metavar="LIST", help="Only these roles, such as kernel,runtime."),
            *(option(flag) for flag in _FLAGS),
            output_option(),
        ],
        help="Install what nodes need for Kubernetes: kernel settings, swap off, container runtime, network plugins, kubelet."
        " Run it again any time: what is up to date stays as it is. Without -i it acts on this node.",
        short_help="Install what nodes need for Kubernetes",
    )
)


def _facts(ctx: click.Context, **values: Any) -> None:
    import socket

    from pykubeadm.cli.output import chosen_form
    from pykubeadm.commands.node.prepare import facts_of

    form = chosen_form(ctx, values)
    nodes = _nodes(ctx, values, socket.gethostname())
    found = facts_of(nodes)
    shown = found if nodes.inventories else next(iter(found.values()))
    click.echo(form.printed([shown]), nl=False)


node.add_command(
    CliCommand(
        "facts",
        callback=click.pass_context(_facts),
        params=[*_node_options(), *document_options()],
        help="Print what the node roles find on this node, or on those of an inventory.",
        short_help="Print the facts that the node roles find",
    )
)


def _tags(text: str) -> list[str]:
    """Those of --tags. Ansible takes an unknown one for a wish to do nothing."""
    from pykubeadm.ansible.playbook import tags_of
    from pykubeadm.errors import UsageError

    tags = [tag.strip() for tag in text.split(",") if tag.strip()]
    known = tags_of("prepare") if tags else []
    unknown = [tag for tag in tags if tag not in known]
    if unknown:
        raise UsageError(f"--tags: there is no {', '.join(unknown)}; choose among {', '.join(known)}")
    return tags


def _nodes(ctx: click.Context, values: dict[str, Any], name: str) -> Nodes:
    from pykubeadm.commands.node.prepare import Nodes
    from pykubeadm.errors import NodeError, UsageError

    inventories = tuple(os.path.abspath(path) for path in values["inventory"] or ())
    for path in inventories:
        if not os.path.exists(path):
            raise UsageError(f"--inventory: {path} does not exist")
    if values["limit"] and not inventories:
        raise UsageError("--limit chooses among the nodes of an inventory; name one with -i")
    if not inventories and ctx.ensure_object(Globals).rootfs != "/":
        raise UsageError("--rootfs: the node roles act on running machines, not on file trees")
    if not inventories and os.geteuid() != 0:
        raise NodeError("preparing a node needs root; run it with sudo")
    return Nodes(name, inventories, values["limit"] or "")
