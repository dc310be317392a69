"""Commands that run phases: from one tuple of phases the whole run, `phase …` with a sub-command a phase, and the help."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

import click

from pykubeadm.cli.lazy import CliCommand, CliGroup, Globals, as_click_has_it
from pykubeadm.cli.machine import machine_of, source_of
from pykubeadm.cli.options import flattened, option, output_option
from pykubeadm.util.dataclass import dataclass

if TYPE_CHECKING:
    from pykubeadm.config.source import Source
    from pykubeadm.node.port import Node
    from pykubeadm.workflow.events import Subscriber
    from pykubeadm.workflow.phase import Choose, Phase, Step


@dataclass(frozen=True, slots=True)
class Argument:
    """The one argument that a command may be given. `words` are for messages ("API server endpoint"); a single phase takes it,
    too, where `is_for` its flags."""

    name: str
    words: str
    is_for: Callable[[Sequence[str]], bool] = lambda _flags: True


class Work(Protocol):
    """Does the chosen steps; `source` is what the user gave with --config."""

    def __call__(
        self, options: dict[str, Any], emit: Subscriber, choose: Choose, name: str, *, machine: Node, source: Source | None
    ) -> None: ...


@dataclass(frozen=True, slots=True)
class Phased:
    """What sets one command with phases apart from another. `name` is what the run is called ("upgrade apply"); `load` brings the
    phases in when they are needed."""

    name: str
    load: Callable[[], tuple[Phase[Any], ...]]
    run: Work
    argument: Argument | None = None
    flag_help: Mapping[str, str] | None = None

    def arguments(self, flags: Sequence[str]) -> list[click.Argument]:
        """Those of a phase that takes the given flags."""
        if self.argument is None or not self.argument.is_for(flags):
            return []
        return [click.Argument([self.argument.name], required=False)]

    def option(self, name: str) -> click.Option:
        made = option(name)
        if self.flag_help and name in self.flag_help:
            made.help = self.flag_help[name]
        return made

    def run_all(self, ctx: click.Context, values: dict[str, Any]) -> None:
        """The command itself, without a sub-command."""
        from pykubeadm.workflow.phase import without

        self.execute(ctx, self.name, values, lambda skip: without(self.load(), skip))

    def execute(self, ctx: click.Context, name: str, values: dict[str, Any], choose: Choose) -> None:
        """From click's values to a run of the chosen steps."""
        from pykubeadm.cli.display import stamped, subscriber
        from pykubeadm.cli.hangup import outlasting, survived

        settings = ctx.ensure_object(Globals)
        options = {key: flattened(value) if isinstance(value, tuple) else value for key, value in values.items()}
        display = subscriber(settings.output, verbosity=settings.verbosity, quiet=bool(options.get("print_manifest")))
        with survived():
            machine, source = machine_of(ctx), source_of(ctx, options)
            self.run(options, stamped(outlasting(display)), choose, name, machine=machine, source=source)


class PhasedGroup(CliGroup):
    """The command; lists its phases below the help, and has them below `phase`."""

    def __init__(self, phased: Phased, flags: Sequence[str], summary: str, details: str) -> None:
        self.phased = phased
        super().__init__(
            phased.name.rpartition(" ")[2],
            callback=click.pass_context(self._whole),
            invoke_without_command=True,
            params=[*(phased.option(name) for name in flags), output_option()],
            help=f"{summary}. {details}",
            short_help=summary,
        )
        self.add_command(_PhaseGroup(phased))

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """`COMMAND [ARGUMENT] [flags…]` beside `COMMAND phase …`; flags may come after the argument, too."""
        argument = self.phased.argument
        if argument is None:
            return super().parse_args(ctx, args)
        args = as_click_has_it(self, ctx, args)
        _options, rest, _order = self.make_parser(ctx).parse_args(list(args))
        if rest[:1] == ["phase"] or ctx.resilient_parsing:
            ctx.params[argument.name] = None
            return super().parse_args(ctx, args)
        ctx.allow_interspersed_args = True
        rest = click.Command.parse_args(self, ctx, args)
        if len(rest) > 1:
            raise click.UsageError(f"one {argument.words} is enough; there are {len(rest)}: {' '.join(rest)}", ctx)
        ctx.params[argument.name] = rest[0] if rest else None
        ctx.args = []
        return []

    def collect_usage_pieces(self, ctx: click.Context) -> list[str]:
        argument = self.phased.argument
        if argument is None:
            return super().collect_usage_pieces(ctx)
        return [f"[{argument.name.upper().replace('_', '-')}]", "[OPTIONS]"]

    def _whole(self, ctx: click.Context, **values: Any) -> None:
        if ctx.invoked_subcommand is None:
            self.phased.run_all(ctx, values)

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Phases"):
            formatter.write_dl(_rows(self.phased.load()))


def _rows(phases: Sequence[Phase[Any]], indent: str = "") -> list[tuple[str, str]]:
    rows = []
    for phase in phases:
        if not phase.hidden:
            rows.append((f"{indent}{phase.name}", phase.summary))
            rows.extend(_rows(phase.phases, f"{indent}  /"))
    return rows


class _PhaseGroup(CliGroup):
    """The `phase` sub-commands, made from the tuple of phases."""

    def __init__(self, phased: Phased) -> None:
        summary = f"Run a single phase of {phased.name}"
        super().__init__("phase", help=f"{summary}.", short_help=summary)
        self._phased = phased

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [phase.name for phase in self._phased.load()]  # in the order they run

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        for phase in self._phased.load():
            if phase.name.replace("-", "") == cmd_name.replace("-", ""):  # kubeadm's aliases: uploadconfig, bootstraptoken
                return _command(self._phased, phase, phase.name)
        return None


def _command(phased: Phased, phase: Phase[Any], path: str) -> click.Command:
    from pykubeadm.workflow.phase import Step, steps

    def run_leaves(leaves: tuple[Step[Any], ...], flags: Sequence[str], name: str, summary: str) -> click.Command:
        def callback(ctx: click.Context, **values: Any) -> None:
            phased.execute(ctx, f"{phased.name} phase {path.replace('/', ' ')}", values, lambda _skip: leaves)

        wanted = sorted({"config", "dry-run", *flags})
        params: list[click.Parameter] = [*(phased.option(flag) for flag in wanted), output_option(), *phased.arguments(flags)]
        return CliCommand(name, callback=click.pass_context(callback), params=params, help=summary, hidden=phase.hidden)

    if not phase.phases:
        return run_leaves((Step(path, phase),), phase.flags, phase.name, phase.summary)
    group = CliGroup(phase.name, help=phase.summary, hidden=phase.hidden)
    every = [*phase.flags, *(flag for part in phase.phases for flag in part.flags)]
    group.add_command(run_leaves(tuple(steps((phase,))), every, "all", f"{phase.summary}: all of it"))
    for part in phase.phases:
        group.add_command(_command(phased, part, f"{path}/{part.name}"))
    return group
