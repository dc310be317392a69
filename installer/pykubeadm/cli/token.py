"""`pykubeadm token`"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from pykubeadm.cli.kubeconfig import credentials
from pykubeadm.cli.lazy import CliCommand, CliGroup, Globals
from pykubeadm.cli.options import UNREAD, Strings, document_options, flattened, option, unread_kubeconfig
from pykubeadm.errors import UsageError
from pykubeadm.tokens.bootstrap import generate_token

if TYPE_CHECKING:
    from datetime import datetime

    from pykubeadm.config.model import BootstrapToken
    from pykubeadm.kube.bootstrap_tokens import StoredToken
    from pykubeadm.kube.credentials import Credentials
    from pykubeadm.kube.port import Api
    from pykubeadm.output.forms import Form

_KUBECONFIG_HELP = (
    "The kubeconfig to speak to the cluster with (default: $KUBECONFIG, ~/.kube/config, /etc/kubernetes/admin.conf)."
)
_COLUMNS = ("TOKEN", "TTL", "EXPIRES", "USAGES", "DESCRIPTION", "EXTRA GROUPS")


_kubeconfig = click.option("--kubeconfig", metavar="TEXT", help=_KUBECONFIG_HELP)
_dry_run = click.option(
    "--dry-run", is_flag=True, help="Print what would be done in the cluster, secrets masked; change nothing."
)
_no_dry_run = click.option("--dry-run", is_flag=True, expose_value=False, help=UNREAD)


@click.group(cls=CliGroup)
@_kubeconfig
@_dry_run
def token(**_of_all: Any) -> None:
    """Bootstrap tokens, with which nodes and the cluster come to trust each other.

    A token has the form id.secret, "[a-z0-9]{6}.[a-z0-9]{16}"; the id is public, the secret is not. --kubeconfig and --dry-run
    may stand before the command or after it.
    """


def _is_dry_run(ctx: click.Context) -> bool:
    """`--dry-run` after the command or before it."""
    return bool(ctx.params["dry_run"] or (ctx.parent and ctx.parent.params.get("dry_run")))


@token.command(cls=CliCommand)
@_no_dry_run
def generate() -> None:
    """Print a new token without creating it in a cluster."""
    click.echo(generate_token().text)


@token.command(cls=CliCommand)
@click.argument("given", metavar="[TOKEN]", required=False)
@click.option("--ttl", metavar="DURATION", help="How long the token is valid, such as 2h; 0 means forever (default: 24h0m0s).")
@click.option(
    "--usages", type=Strings(), multiple=True, metavar="LIST", help="What it may be used for (default: signing,authentication)."
)
@click.option(
    "--groups",
    type=Strings(),
    multiple=True,
    metavar="LIST",
    help="The groups of whoever authenticates with it (default: system:bootstrappers:kubeadm:default-node-token).",
)
@click.option("--description", metavar="TEXT", help="A description for people.")
@click.option("--print-join-command", is_flag=True, help="Print the whole command with which a node joins, not only the token.")
@click.option(
    "--certificate-key", metavar="TEXT", help="With --print-join-command: the command for control planes, with this key."
)
@_kubeconfig
@_dry_run
@click.pass_context
def create(ctx: click.Context, /, given: str | None, **values: Any) -> None:
    """Create a token in the cluster and print it. TOKEN is a new one where it is not given."""
    from pykubeadm.kube.bootstrap_tokens import create_token
    from pykubeadm.kube.credentials import ca_pins
    from pykubeadm.phases.run import utc_now
    from pykubeadm.tokens.documents import token_secret
    from pykubeadm.tokens.join_command import join_command

    if values["certificate_key"] and not values["print_join_command"]:
        raise UsageError("--certificate-key goes with --print-join-command only")
    _check_certificate_key(values["certificate_key"])
    tokens = _wanted(ctx, given, values)
    found = credentials(ctx, values["kubeconfig"])
    pins = ca_pins(found) if values["print_join_command"] else []
    api = _api(found, dry_run=_is_dry_run(ctx))
    for wanted in tokens:
        create_token(api, token_secret(wanted, utc_now()))
    text = tokens[0].token
    if values["print_join_command"]:
        key = values["certificate_key"] or ""
        text = join_command(found.server, text, pins, control_plane=bool(key), certificate_key=key).replace(" \\\n   ", "")
    click.echo(text)


create.params.insert(0, option("config"))
generate.params.insert(0, unread_kubeconfig())


@token.command("list", cls=CliCommand, params=document_options("text"))
@_kubeconfig
@_no_dry_run
@click.pass_context
def list_(ctx: click.Context, /, kubeconfig: str | None, **options: Any) -> None:
    """Print the tokens that the cluster knows."""
    from pykubeadm.cli.output import chosen_form
    from pykubeadm.kube.bootstrap_tokens import list_tokens

    form = chosen_form(ctx, options)
    api = _api(credentials(ctx, kubeconfig), dry_run=False)
    found = list_tokens(api, lambda sentence: click.echo(f"warning: {sentence}", err=True))
    click.echo(_printed(found, form), nl=False)


@token.command(cls=CliCommand)
@click.argument("tokens", nargs=-1, required=True, metavar="TOKEN...")
@_kubeconfig
@_dry_run
@click.pass_context
def delete(ctx: click.Context, /, tokens: tuple[str, ...], kubeconfig: str | None, **_dry_run: Any) -> None:
    """Delete tokens, each given in full or by its id. Nothing is deleted where one of them is no token."""
    from pykubeadm.kube.bootstrap_tokens import delete_token
    from pykubeadm.tokens.bootstrap import parse_token_id

    try:
        ids = [parse_token_id(text) for text in tokens]
    except ValueError as error:
        raise UsageError(str(error)) from error
    dry_run = _is_dry_run(ctx)
    api = _api(credentials(ctx, kubeconfig), dry_run=dry_run)
    for token_id in ids:
        delete_token(api, token_id)
        click.echo(f'bootstrap token "{token_id}" deleted' if not dry_run else f'bootstrap token "{token_id}" would be deleted')


def _check_certificate_key(key: str | None) -> None:
    """Before there is a token: the command that would be printed is one that `join` refuses."""
    from pykubeadm.config.rules import certificate_key

    if key and (sentence := certificate_key(key)):
        raise UsageError(f"--certificate-key {sentence}")


def _wanted(ctx: click.Context, given: str | None, values: dict[str, Any]) -> tuple[BootstrapToken, ...]:
    """From the file, or one from the flags. ConfigError with every problem."""
    from pykubeadm.config.model import BootstrapToken
    from pykubeadm.config.report import Report
    from pykubeadm.config.source import Path
    from pykubeadm.config.validate_node import check_tokens
    from pykubeadm.errors import ConfigError, Problem
    from pykubeadm.util.duration import parse_duration

    flags: dict[str, Any] = {name: flattened(values[name]) for name in ("usages", "groups")}
    if values["config"]:
        beside = [f"--{name}" for name in ("ttl", "description") if values[name] is not None] + [
            f"--{name}" for name, list_ in flags.items() if list_
        ]
        if beside or given:
            raise UsageError(f"--config cannot be given together with {', '.join([*beside, *(['a token'] if given else [])])}")
        return _from_file(ctx, values["config"])
    problems: list[Problem] = []
    ttl = None
    try:
        ttl = None if values["ttl"] is None else parse_duration(values["ttl"])
    except ValueError as error:
        problems.append(Problem("--ttl", 0, 0, "", str(error)))
    wanted = BootstrapToken(
        token=given if given is not None else generate_token().text,
        description=values["description"] or "",
        ttl=ttl,
        **{name: list_ for name, list_ in flags.items() if list_ is not None},
    )
    at: dict[Path, str] = {("bootstrapTokens", 0, name): f"--{name}" for name in ("ttl", "usages", "groups")}
    check_tokens((wanted,), Report(problems, lambda _note: None, flags={**at, ("bootstrapTokens", 0, "token"): "token"}))
    if problems:
        raise ConfigError(problems)
    return (wanted,)


def _from_file(ctx: click.Context, path: str) -> tuple[BootstrapToken, ...]:
    from dataclasses import replace

    from pykubeadm.commands.environment import for_reading
    from pykubeadm.commands.source import read_source
    from pykubeadm.config.init_flags import InitFlags
    from pykubeadm.config.read_init import read_init

    rootfs = ctx.ensure_object(Globals).rootfs
    environment = replace(for_reading(rootfs, lambda _note: None), new_token=lambda: generate_token().text)
    return read_init(read_source(path, rootfs), InitFlags(), environment)[0].bootstrap_tokens


def _api(cluster: Credentials, *, dry_run: bool) -> Api:
    from pykubeadm.kube.client import ClusterApi
    from pykubeadm.kube.recording import RecordingApi

    if not dry_run:
        return ClusterApi(cluster)
    return RecordingApi(ClusterApi(cluster, dry_run=True), lambda text: click.echo(text.rstrip()), may_be_gone=False)


def _row(found: StoredToken) -> tuple[str, ...]:
    from pykubeadm.kube.bootstrap_tokens import timestamp
    from pykubeadm.phases.run import utc_now

    return (
        found.text,
        _left(found.expires, utc_now()),
        timestamp(found.expires) if found.expires else "<never>",
        ",".join(found.usages) or "<none>",
        found.description or "<none>",
        ",".join(found.groups) or "<none>",
    )


def _printed(tokens: list[StoredToken], form: Form) -> str:
    if form.name == "text":
        return _table(tokens) if tokens else ""
    return form.printed([found.document() for found in tokens])


def _table(tokens: list[StoredToken]) -> str:
    rows = [_COLUMNS, *(_row(found) for found in tokens)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_COLUMNS))]
    return "".join("   ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() + "\n" for row in rows)


def _left(expires: datetime | None, now: datetime) -> str:
    """The time that is left, in its largest unit, as kubectl shows ages."""
    if expires is None:
        return "<forever>"
    seconds = int((expires - now).total_seconds())
    if seconds < 0:
        return "<expired>"
    for unit, length in (("d", 86400), ("h", 3600), ("m", 60)):
        if seconds >= length:
            return f"{seconds // length}{unit}"
    return f"{seconds}s"
