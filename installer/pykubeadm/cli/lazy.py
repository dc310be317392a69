"""Click groups whose sub-commands are imported when they are used, and the options that every command takes.

`pykubeadm --help` and `version` must start in well under 100 ms; cryptography or the Kubernetes client alone take that long.
"""

from __future__ import annotations

import importlib
import itertools
from collections.abc import Mapping
from typing import Any

import click

from pykubeadm.constants import FALSE, TRUE
from pykubeadm.errors import UsageError


class Globals:
    """Options that may stand at any level of the command line. (No dataclass: making one costs a short command some 5 %.)"""

    def __init__(self) -> None:
        self.rootfs = "/"
        self.verbosity = 0
        self.output = "text"  # "json": errors are events, too


class _Level(click.ParamType):  # type: ignore[type-arg] # generic only from click 8.4 on
    """klog's level."""

    name = "level"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        text = str(value)
        if not text.isdecimal():
            self.fail(f"{value!r} is not a whole number", param, ctx)
        return int(text)


def _keep(ctx: click.Context, param: click.Parameter, value: Any) -> None:
    """The innermost mention wins; one that is absent leaves what an outer level said."""
    if value is None:
        return
    settings = ctx.ensure_object(Globals)
    if param.name == "rootfs":
        settings.rootfs = value or "/"  # as kubeadm has it: "" is its default, no root of its own
    else:
        settings.verbosity = value


def global_options() -> list[click.Parameter]:
    """`--rootfs` and `-v`, and `--vmodule`, which means nothing here, for each command and group."""
    return [
        click.Option(
            ["--rootfs"],
            metavar="DIR",
            expose_value=False,
            callback=_keep,
            help="Take every path, --config and --patches included, below DIR.",
        ),
        click.Option(
            ["-v", "--v", "verbosity"],
            type=_Level(),
            metavar="LEVEL",
            expose_value=False,
            callback=_keep,
            help="How much to report: 1 adds details, 5 tracebacks.",
        ),
        click.Option(["--vmodule"], expose_value=False, hidden=True),  # of kubeadm's log, which is not ours
    ]


def as_click_has_it(command: click.Command, ctx: click.Context, args: list[str]) -> list[str]:
    """Users of kubeadm also write `--dry-run=true`, `--dry-run=false` and `-o=json` (pflag), which click does not know."""
    options = [param for param in command.get_params(ctx) if isinstance(param, click.Option)]
    switches = {name for option in options if option.is_flag for name in option.opts}
    truths = {name for option in options if option.type.name == "truth" for name in option.opts}
    valued = {name for option in options if not option.is_flag for name in option.opts} - truths
    found: list[str] = []
    rest = iter(args)
    for word in rest:
        name, separator, value = word.partition("=")
        if word == "--":
            found.append(word)
            break
        if word in truths:
            found.append(f"{word}=true")
        elif name in switches and separator:
            if value not in TRUE | FALSE:
                raise click.BadOptionUsage(name, f"Option {name!r} takes true or false, not {value!r}.", ctx)
            if value in TRUE:
                found.append(name)
        elif name in valued and separator and not name.startswith("--"):
            found += [name, value]
        else:
            found.append(word)
            if word in valued:
                found += itertools.islice(rest, 1)  # its value, whatever it looks like
    return [*found, *rest]


class CliCommand(click.Command):
    """A command with the global options."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.params.extend(global_options())

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        return super().parse_args(ctx, as_click_has_it(self, ctx, args))


class CliGroup(click.Group):
    """A group with the global options; `lazy` maps a name to ("module:attribute", one-line help), `aliases` other names to it."""

    command_class = CliCommand

    def __init__(
        self,
        *args: Any,
        lazy: Mapping[str, tuple[str, str]] | None = None,
        aliases: Mapping[str, str] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        self.params.extend(global_options())
        self._lazy = dict(lazy or {})
        self._aliases = dict(aliases or {})

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if not args and self.no_args_is_help and not ctx.resilient_parsing:  # what follows differs between click's releases
            click.echo(ctx.get_help(), err=ctx.parent is not None)
            ctx.exit(UsageError.exit_status if ctx.parent else 0)
        return super().parse_args(ctx, as_click_has_it(self, ctx, args))

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted({*super().list_commands(ctx), *self._lazy})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        cmd_name = self._aliases.get(cmd_name, cmd_name)
        if cmd_name in self._lazy:
            module, _, attribute = self._lazy[cmd_name][0].partition(":")
            command = getattr(importlib.import_module(module), attribute)
            assert isinstance(command, click.Command)
            return command
        return super().get_command(ctx, cmd_name)

    def resolve_command(self, ctx: click.Context, args: list[str]) -> tuple[str | None, click.Command | None, list[str]]:
        """With the commands that may be meant; before 8.4 click proposes none, and it knows nothing of lazy ones."""
        name = args[0]
        if not (name.startswith("-") or ctx.resilient_parsing or self.get_command(ctx, name)):
            import difflib

            near = " or ".join(map(repr, difflib.get_close_matches(name, self.list_commands(ctx))))
            raise click.UsageError(f"No such command {name!r}.{f' Did you mean {near}?' if near else ''}", ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        rows = []
        for name in self.list_commands(ctx):
            if name in self._lazy:
                rows.append((name, self._lazy[name][1]))
            elif (command := self.get_command(ctx, name)) is not None and not command.hidden:
                rows.append((name, command.get_short_help_str(limit=100).removesuffix(".")))
        if rows:
            with formatter.section("Commands"):
                formatter.write_dl(rows)


CliGroup.group_class = CliGroup
