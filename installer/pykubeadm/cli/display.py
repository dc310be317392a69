"""How a run is shown: a live display on a terminal, plain lines elsewhere, JSON lines for `--output json`.

Results (join commands, manifests) and progress go to standard output, warnings to standard error.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import click

from pykubeadm.workflow.events import (
    Event,
    NodeTask,
    Note,
    PhaseFailed,
    PhaseFinished,
    PhaseStarted,
    Planned,
    Result,
    RunFinished,
    RunStarted,
    Subscriber,
    Waiting,
    to_json,
)

if TYPE_CHECKING:
    from rich.console import Console
    from rich.live import Live
    from rich.status import Status


def stamped(subscriber: Subscriber, *, by_topic: bool = False) -> Callable[[Event], None]:
    """What the run emits to: adds the time and hands on, each warning once in the run: phases that use the same file find the
    same wrong with it. With `by_topic`, once for each topic: those are hosts."""
    began = time.monotonic()
    warnings: set[tuple[str, str]] = set()

    def emit(event: Event) -> None:
        if isinstance(event, Note) and event.level == "warning":
            said = (event.topic if by_topic else "", event.message)
            if said in warnings:
                return
            warnings.add(said)
        subscriber(replace(event, time=time.time(), elapsed=time.monotonic() - began))

    return emit


def subscriber(output: str, *, verbosity: int, quiet: bool = False) -> Subscriber:
    """The display for `output` ("text" or "json"); `quiet` shows results and warnings only."""
    if output == "json":
        return lambda event: click.echo(to_json(event))
    if quiet:
        return _results_only
    if sys.stdout.isatty() and (os.environ.get("TERM") or "dumb") != "dumb" and "utf" in sys.stdout.encoding.lower():
        return LiveDisplay(verbosity)
    return PlainDisplay(verbosity)


def _results_only(event: Event) -> None:
    if isinstance(event, Result | Planned):
        click.echo(event.text)
    elif isinstance(event, Note) and event.level == "warning":
        click.echo(f"warning: {event.message}", err=True)


class PlainDisplay:
    """A line for each phase that did something, one for each warning; nothing is redrawn."""

    def __init__(self, verbosity: int) -> None:
        self._verbosity = verbosity
        self._last_reason = ""
        self._dry_run = False
        self._single = False
        self._warned = False

    def __call__(self, event: Event) -> None:
        match event:
            case RunStarted():
                self._dry_run = event.dry_run
                self._single = len(event.phases) == 1
                self.line(f"[{event.command}] on {event.node}" + (" (dry run: nothing is changed)" if event.dry_run else ""))
            case PhaseFinished(outcome="skipped"):
                if self._verbosity or self._single:  # one that the user named
                    self.line(f"[{event.phase}] not needed here" + (", or not asked for by a flag" if self._single else ""))
            case PhaseFinished():
                self.line(f"[{event.phase}] {_summary(event)} ({event.seconds:.1f}s)")
                if self._verbosity:
                    for change in event.changes:
                        self.line(f"[{event.phase}]   {change}")
            case PhaseFailed():
                self.line(f"[{event.phase}] failed")
            case Waiting():
                reason = f"{event.target}: {event.reason}"
                if reason != self._last_reason:  # a log is no place for the same line every second
                    self._last_reason = reason
                    self.line(f"[{event.phase}] waiting for {reason}")
            case Note():
                self._warned |= event.level == "warning"
                self.note(event)
            case NodeTask(outcome="changed"):
                if self._verbosity or event.diff:
                    self.line(
                        f"[{event.phase}] {event.node}: {event.role}: {event.task}: {', '.join(event.changes) or 'changed'}"
                    )
                if event.diff:
                    self.line(event.diff.rstrip())
            case Planned() | Result():
                self.line(event.text)
            case RunFinished():
                self.line(_closing(event, dry_run=self._dry_run, warned=self._warned))

    def line(self, text: str) -> None:
        click.echo(text)

    def note(self, event: Note) -> None:
        topic = f"[{event.topic}] " if event.topic else ""
        if event.level == "warning":
            prefix = "" if event.message.startswith("[WARNING ") else "warning: "  # preflight names its checks as kubeadm does
            click.echo(f"{topic}{prefix}{event.message}", err=True)
        elif event.level == "info" or self._verbosity:
            self.line(f"{topic}{event.message}")


def end(shown: Live | Status, console: Console) -> None:
    """Stop what moves on the terminal. Where an interrupt came while it was starting, rich finds that it has less to take back
    than it expects, and would leave the cursor hidden."""
    try:
        shown.stop()
    except IndexError:
        console.show_cursor()


class LiveDisplay(PlainDisplay):
    """On a terminal: finished phases scroll up with a mark, the running one shows its time and what it waits for."""

    def __init__(self, verbosity: int) -> None:
        super().__init__(verbosity)
        self._status: Status | None = None
        self._phase: PhaseStarted | None = None
        self._text = ""

    @cached_property
    def _console(self) -> Console:
        """Made when there is something to show: loading it takes as long as making two keys."""
        from rich.console import Console

        return Console(highlight=False, soft_wrap=True)

    def __call__(self, event: Event) -> None:
        match event:
            case PhaseStarted():
                self._phase = event
                self._show(event.summary)
            case Waiting():
                self._show(f"waiting for {event.target}: {event.reason}")
            case NodeTask(outcome="started"):
                self._show(f"{event.role}: {event.task}" if event.role else event.task)
            case PhaseFinished(outcome="skipped"):
                super().__call__(event)
            case PhaseFinished():
                self._hide()
                mark = "[green]✓[/]" if event.outcome == "changed" else "[dim]=[/]"
                self._markup(
                    f"{mark} {{phase:<38}} {{summary}} [dim]{event.seconds:.1f}s[/]", phase=event.phase, summary=_summary(event)
                )
                if self._verbosity:
                    for change in event.changes:
                        self._markup("    [dim]{change}[/]", change=change)
            case PhaseFailed():
                self._hide()
                self._markup("[red]✗[/] {phase}", phase=event.phase)
            case RunFinished():
                self._hide()
                super().__call__(event)
            case _:
                super().__call__(event)

    def _show(self, text: str) -> None:
        from rich.markup import escape
        from rich.status import Status

        self._text = text
        shown = f"{escape(self._phase.phase) if self._phase else ''} [dim]{escape(text[:120])}[/]"
        if self._status is None:
            self._status = Status(shown, console=self._console)
            self._status.start()
        else:
            self._status.update(shown)

    def _hide(self) -> None:
        if self._status is not None:
            end(self._status, self._console)
            self._status = None

    def _markup(self, template: str, **values: Any) -> None:
        from rich.markup import escape

        self._console.print(template.format(**{name: escape(value) for name, value in values.items()}))

    def line(self, text: str) -> None:
        self._console.print(text, markup=False)

    def note(self, event: Note) -> None:
        """Warnings go to another stream, past what moves on this one, which would stay beside them."""
        moving = self._status is not None
        self._hide()
        super().note(event)
        if moving:
            self._show(self._text)


def _summary(event: PhaseFinished) -> str:
    if event.outcome == "unchanged":
        return event.reason
    return event.changes[0] if len(event.changes) == 1 else f"{len(event.changes)} changes"


def _closing(event: RunFinished, *, dry_run: bool, warned: bool) -> str:
    match event.outcome:
        case "unchanged" if warned:  # perhaps of what cannot be done
            return f"Nothing to do ({event.elapsed:.1f}s)"
        case "unchanged":
            return f"Nothing to do: everything is up to date ({event.elapsed:.1f}s)"
        case "changed":
            changes = f"{event.changed} change{'' if event.changed == 1 else 's'}"
            return f"{f'Dry run: {changes} would be made' if dry_run else f'Done: {changes}'} ({event.elapsed:.1f}s)"
        case "interrupted":
            return f"Interrupted after {event.elapsed:.1f}s"
        case _:
            return f"Failed after {event.elapsed:.1f}s; run the same command again to continue from here"
