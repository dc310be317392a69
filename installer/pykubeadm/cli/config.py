"""`pykubeadm config`: validate, print and migrate configuration files."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import click

from pykubeadm.cli.lazy import CliCommand, CliGroup, Globals
from pykubeadm.cli.options import Strings, flattened, unread_kubeconfig
from pykubeadm.commands.source import read_source
from pykubeadm.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pykubeadm.config.model import Model

COMPONENT_KINDS = ("KubeletConfiguration", "KubeProxyConfiguration")


@click.group(
    cls=CliGroup,
    lazy={
        "images": ("pykubeadm.cli.images:images", "List and pull the container images of a control plane"),
        "show": ("pykubeadm.cli.config_show:show", "Print the configuration of the running cluster"),
    },
)
@click.option("--kubeconfig", metavar="TEXT", help="The kubeconfig for `show` (kubeadm's commands all take it).")
def config(kubeconfig: str | None) -> None:
    """Validate, print and migrate configuration files; list and pull images; print the running cluster's configuration."""


def _warn(message: str) -> None:
    click.echo(f"warning: {message}", err=True)


def _as_yaml(documents: Iterable[Mapping[str, Any]]) -> str:
    from pykubeadm.util.yaml_output import to_yaml

    return "---\n".join(map(to_yaml, documents))


def _rootfs(ctx: click.Context) -> str:
    return ctx.ensure_object(Globals).rootfs


@config.command(cls=CliCommand)
@click.option("--config", "path", metavar="FILE", required=True, help="The kubeadm configuration file to check.")
@click.option("--allow-deprecated-api", is_flag=True, help="Do not warn of an old API version that is still read.")
@click.option(
    "--allow-experimental-api", is_flag=True, expose_value=False, help="Accepted as by kubeadm; there is no experimental API now."
)
@click.pass_context
def validate(ctx: click.Context, path: str, *, allow_deprecated_api: bool) -> None:
    """Check a configuration file. Prints every problem with its place, "ok" where there is none."""
    from pykubeadm.commands.environment import for_reading
    from pykubeadm.config.migrate import OLD_API_VERSION
    from pykubeadm.config.read_all import read_all

    def note(message: str) -> None:
        if not (allow_deprecated_api and OLD_API_VERSION in message):
            _warn(message)

    read_all(read_source(path, _rootfs(ctx)), for_reading(_rootfs(ctx), note))
    click.echo("ok")


@config.command(cls=CliCommand)
@click.option("--old-config", metavar="FILE", required=True, help="The file to rewrite.")
@click.option("--new-config", metavar="FILE", help="Where to write the result (default: standard output).")
@click.option(
    "--allow-experimental-api", is_flag=True, expose_value=False, help="Accepted as by kubeadm; there is no experimental API now."
)
@click.pass_context
def migrate(ctx: click.Context, old_config: str, new_config: str | None) -> None:
    """Rewrite a configuration file in kubeadm.k8s.io/v1beta4. The defaults are filled in as `init` reads it."""
    from dataclasses import replace

    from pykubeadm.commands.environment import for_reading
    from pykubeadm.config.defaults import NO_ADDRESS
    from pykubeadm.config.read_all import read_all
    from pykubeadm.config.release import look_up
    from pykubeadm.constants import CRI_SOCKETS
    from pykubeadm.node.facts import host_facts
    from pykubeadm.node.local import LocalNode
    from pykubeadm.tokens.bootstrap import generate_token

    root = _rootfs(ctx)
    host = host_facts(LocalNode(root))
    if not (host.default_ipv4 or host.default_ipv6):
        host = replace(host, default_ipv4=NO_ADDRESS)  # for which `init` takes the machine's, as for one that is missing
    environment = replace(
        for_reading(root, _warn),
        host=replace(host, cri_sockets=CRI_SOCKETS[:1]),  # which one counts is up to `init`, too
        new_token=lambda: generate_token().text,
        ask=look_up,
    )
    models = read_all(read_source(old_config, root), environment)
    if not models:
        raise UsageError(f"{old_config}: the file holds no kubeadm document to migrate")
    text = _as_yaml([model.document() for model in models])
    if new_config is None:
        click.echo(text, nl=False)
        return
    from pykubeadm.node.port import File

    node, path = LocalNode(root), os.path.abspath(new_config)
    if node.stat(os.path.dirname(path)) is None:
        raise UsageError(f'--new-config: "{new_config}" cannot be written: there is no such directory')
    if (found := node.stat(path)) is not None and found.kind == "directory":
        raise UsageError(f'--new-config: "{new_config}" cannot be written: it is a directory; give the path of a file in it')
    node.write([File(path, text.encode(), mode=0o600, secret=True)])  # it holds bootstrap tokens


@config.group("print", cls=CliGroup)
def print_() -> None:
    """Print default configurations to start from."""


@print_.command("init-defaults", cls=CliCommand)
@click.option(
    "--component-configs",
    type=Strings(),
    multiple=True,
    metavar="LIST",
    help=f"Which to print as well: {', '.join(COMPONENT_KINDS)}.",
)
def init_defaults(component_configs: tuple[tuple[str, ...], ...]) -> None:
    """Print the default configuration of `init`. Token, address and name are placeholders."""
    from pykubeadm.commands.environment import PLACEHOLDER_TOKEN
    from pykubeadm.config.printed import init_documents

    kinds = flattened(component_configs) or ()
    unknown = [kind for kind in kinds if kind not in COMPONENT_KINDS]
    if unknown:
        raise UsageError(f"--component-configs: there is no {', '.join(unknown)}; there are {', '.join(COMPONENT_KINDS)}")
    init, configuration = init_documents(PLACEHOLDER_TOKEN)
    documents: list[dict[str, Any]] = [init.document(), configuration.cluster.document()]
    for kind in kinds:
        if kind == "KubeletConfiguration":
            from pykubeadm.manifests.kubelet import kubelet_configuration

            documents.append(kubelet_configuration(configuration.cluster, configuration.kubelet, _ignore))
        else:
            from pykubeadm.addons.kube_proxy import kube_proxy_configuration

            documents.append(kube_proxy_configuration(configuration, _ignore))
    click.echo(_as_yaml(documents), nl=False)


def _ignore(_level: str, _message: str) -> None:
    return


def _print_defaults(name: str, summary: str) -> None:
    @print_.command(f"{name}-defaults", cls=CliCommand, help=summary)
    def command() -> None:
        from pykubeadm.commands.environment import PLACEHOLDER_TOKEN
        from pykubeadm.config import printed

        model: Model
        if name == "join":
            import socket

            model = printed.join_document(PLACEHOLDER_TOKEN, socket.gethostname())
        else:
            model = printed.reset_document() if name == "reset" else printed.upgrade_document()
        click.echo(_as_yaml([model.document()]), nl=False)


_print_defaults("join", "Print the default configuration of `join`; the discovery is a placeholder.")
_print_defaults("reset", "Print the default configuration of `reset`.")
_print_defaults("upgrade", "Print the default configuration of `upgrade`.")
for _command in (validate, migrate, print_, *print_.commands.values()):
    _command.params.append(unread_kubeconfig())
