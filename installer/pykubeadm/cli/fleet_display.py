"""How a run over many machines is shown: a live table on a terminal, plain lines elsewhere, JSON lines for `--output json`."""

from __future__ import annotations

import os
import sys
import threading
import time
from typing import TYPE_CHECKING

import click

from pykubeadm.cli.display import PlainDisplay, end, subscriber
from pykubeadm.workflow.events import Event, NodeProgress, Note, RunFinished, RunStarted, Subscriber

if TYPE_CHECKING:
    from rich.live import Live
    from rich.table import Table

_SAY_EVERY = 20.0  # seconds between two lines about the same wait


def fleet_subscriber(output: str, hosts: tuple[str, ...], *, verbosity: int) -> Subscriber:
    """The display for `output` ("text" or "json") of a run over `hosts`; threads may share it."""
    if output == "json":
        return _one_at_a_time(subscriber(output, verbosity=verbosity))
    if sys.stdout.isatty() and (os.environ.get("TERM") or "dumb") != "dumb" and "utf" in sys.stdout.encoding.lower():
        return _one_at_a_time(LiveFleet(hosts, verbosity))
    return _one_at_a_time(PlainFleet(hosts, verbosity))


def _one_at_a_time(display: Subscriber) -> Subscriber:
    lock = threading.Lock()

    def show(event: Event) -> None:
        with lock:
            display(event)

    return show


class PlainFleet(PlainDisplay):
    """A line for each thing that changed on a machine, with its name in front."""

    def __init__(self, hosts: tuple[str, ...], verbosity: int) -> None:
        super().__init__(verbosity)
        self._width = max(map(len, hosts), default=0)
        self._waits: dict[str, tuple[str, float]] = {}  # host → the step that waits, and when that was said last

    def __call__(self, event: Event) -> None:
        if not isinstance(event, NodeProgress):
            super().__call__(event)
        elif (text := self._text(event)) is not None:
            self.line(f"{event.node:<{self._width}}  {text}")

    def _text(self, event: NodeProgress) -> str | None:
        """What to say of an event, None for nothing."""
        seconds = f" ({event.seconds:.1f}s)" if event.seconds >= 0.05 else ""
        message = event.message.removeprefix(f"{event.node}: ")
        match event.outcome, event.step:
            case _, "look" if not self._verbosity:
                return None  # what hinders is said of the plan
            case "changed", "":
                return f"done{seconds}"
            case "failed", "":
                return f"failed{seconds}: {message}"
            case "failed", _:
                return f"{event.step}: {message}"
            case "changed", step:
                if step.startswith("prepare/") and not self._verbosity:
                    return None
                done = event.changes[0] if len(event.changes) == 1 else f"{len(event.changes)} changes"
                return f"{step}: {done}{seconds}"
            case "waiting", step:
                said, when = self._waits.get(event.node, ("", 0.0))
                if said == step and time.monotonic() - when < _SAY_EVERY:  # a log is no place for a line every second
                    return None
                self._waits[event.node] = (step, time.monotonic())
                return f"{step}: waiting for {message}"
            case _:
                return f"{event.step}: {message or event.outcome}" if self._verbosity else None


class LiveFleet(PlainFleet):
    """On a terminal: a table of what goes on on each machine, and for how long; what is to be kept scrolls up above it."""

    def __init__(self, hosts: tuple[str, ...], verbosity: int) -> None:
        super().__init__(hosts, verbosity)
        self._rows: dict[str, NodeProgress] = {}
        self._since: dict[str, float] = {}
        self._live: Live | None = None

    def __call__(self, event: Event) -> None:
        match event:
            case RunStarted():
                super().__call__(event)
                self._show()
            case RunFinished():
                self._hide()
                super().__call__(event)
            case NodeProgress():
                self._row(event)
                if not event.step or event.outcome == "failed" or self._verbosity:
                    super().__call__(event)
            case _:
                super().__call__(event)

    def line(self, text: str) -> None:
        if self._live is None:
            click.echo(text)
        else:
            self._live.console.print(text, markup=False, highlight=False, soft_wrap=True)

    def note(self, event: Note) -> None:
        """Above the table, warnings, too: written past it they would tear it."""
        if self._live is not None and event.level == "warning":
            self.line(f"[{event.topic}] warning: {event.message}" if event.topic else f"warning: {event.message}")
        else:
            super().note(event)

    def _row(self, event: NodeProgress) -> None:
        before = self._rows.get(event.node)
        if before is None or before.step.partition("/")[0] != event.step.partition("/")[0]:
            self._since[event.node] = time.monotonic()
        self._rows[event.node] = event

    def _table(self) -> Table:
        """Made in a thread of its own, as often as it is shown: one for each event would take its time with many machines."""
        from rich.table import Table
        from rich.text import Text

        table = Table(box=None, show_header=False, padding=(0, 2, 0, 0), expand=True)
        for _ in range(3):
            table.add_column(no_wrap=True)
        table.add_column(no_wrap=True, ratio=1, overflow="ellipsis")
        marks = {"failed": ("✗", "red"), "changed": ("✓", "green"), "unchanged": ("=", "dim")}
        now = time.monotonic()
        for name, event in tuple(self._rows.items()):
            over = event.step in {"", "look"}
            mark, style = marks.get(event.outcome, ("•", "cyan")) if over or event.outcome == "failed" else ("•", "cyan")
            elapsed = event.seconds if event.step == "" else now - self._since[name]
            said = event.message or (event.changes[0] if event.changes else event.outcome)
            step = event.step or "done"
            table.add_row(Text(f"{mark} {name}", style), Text(step), Text(f"{elapsed:.0f}s", "dim"), Text(said, "dim"))
        return table

    def _show(self) -> None:
        from rich.console import Console
        from rich.live import Live

        self._live = Live(console=Console(), get_renderable=self._table, refresh_per_second=4, transient=True)
        self._live.start()

    def _hide(self) -> None:
        if self._live is not None:
            end(self._live, self._live.console)
            self._live = None
