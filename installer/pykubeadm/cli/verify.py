"""`pykubeadm verify`"""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

import click

from pykubeadm.cli.lazy import CliCommand
from pykubeadm.cli.options import Strings, flattened
from pykubeadm.errors import UsageError

if TYPE_CHECKING:
    from pykubeadm.commands.verify.command import Verification
    from pykubeadm.commands.verify.row import Row, RowResult

_MARKS = {"passed": ("✓", "green"), "failed": ("✗", "red"), "not served": ("–", "yellow")}
_WORDS = {"passed": "shown", "failed": "FAILED", "not served": "not served here"}
_WIDTH = 30


@click.command(cls=CliCommand)
@click.option("--only", type=Strings(), multiple=True, metavar="LIST", help="Only these rows or groups: services,pods/shared.")
@click.option("--skip", type=Strings(), multiple=True, metavar="LIST", help="All but these rows or groups.")
@click.option(
    "--image",
    metavar="IMAGE",
    default="",
    help="An image with sh, httpd, nc and nslookup (a busybox) for the rows that need one (default: one that all nodes have).",
)
@click.option("--list", "listed", is_flag=True, help="List the rows and what each shows; ask nothing of the cluster.")
@click.option(
    "-o",
    "--output",
    type=click.Choice(["text", "json", "junit"]),
    default="text",
    show_default=True,
    help="Output format.",
)
@click.option(
    "--kubeconfig",
    metavar="TEXT",
    help="The kubeconfig to speak to the cluster with (default: $KUBECONFIG, ~/.kube/config, /etc/kubernetes/admin.conf).",
)
@click.pass_context
def verify(ctx: click.Context, /, image: str, output: str, kubeconfig: str | None, *, listed: bool, **named: Any) -> None:
    """Show on the cluster that it does what Kubernetes promises: containers, pods, controllers, services, storage, control plane.

    Each row makes what it needs in a namespace of its own, which is removed again, and says what it has seen, or on a
    failure why. What the cluster does not have is named as such. Ends with status 10 where a row failed.
    """
    from pykubeadm.cli.kubeconfig import credentials
    from pykubeadm.commands.verify.command import chosen
    from pykubeadm.commands.verify.command import verify as run
    from pykubeadm.errors import UNHEALTHY

    wanted, unwanted = flattened(named["only"]) or (), flattened(named["skip"]) or ()
    if named["only"] and not wanted:
        raise UsageError("--only names no row or group: is a variable empty? Without it all rows run")
    rows = chosen(wanted, unwanted)
    if listed:
        for row in rows:
            click.echo(f"{row.name:<{_WIDTH}} {row.shows}")
        return
    progress = _Progress(output)
    found = run(
        credentials(ctx, kubeconfig), only=wanted, skip=unwanted, image=image, begin=progress.begin, report=progress.report
    )
    click.echo(_printed(found, output), nl=False)
    if found.left:
        click.echo(f"warning: the namespace {found.namespace} is being removed: {found.left}", err=True)
    if found.failed:
        ctx.exit(UNHEALTHY)


class _Progress:
    """A line for each row as it ends: on standard output, or on standard error where that is a program's."""

    def __init__(self, output: str) -> None:
        self._err = output != "text"
        stream = sys.stderr if self._err else sys.stdout
        self._live = stream.isatty() and "utf" in (stream.encoding or "").lower()
        self._running: list[str] = []

    def begin(self, row: Row) -> None:
        self._running.append(row.name)
        self._status()

    def report(self, result: RowResult) -> None:
        self._running.remove(result.row.name)
        self._clear()
        mark, colour = _MARKS[result.outcome]
        if self._live:
            head = f"{click.style(mark, fg=colour)} {result.row.name:<{_WIDTH}}"
        else:
            head = f"{_WORDS[result.outcome]:<15} {result.row.name:<{_WIDTH}}"
        click.echo(f"{head} {result.said} ({result.seconds:.1f}s)", err=self._err)
        for line in result.evidence:
            click.echo(f"    {line}", err=self._err)
        self._status()

    def _status(self) -> None:
        """What runs, on one line that is written over."""
        self._clear()
        if self._live and self._running:
            words = ", ".join(name.partition("/")[2] for name in self._running)
            click.echo(click.style(f"… {words}"[:100], dim=True), nl=False, err=self._err)

    def _clear(self) -> None:
        if self._live:
            click.echo("\r\x1b[2K", nl=False, err=self._err)


def _printed(found: Verification, output: str) -> str:
    from pykubeadm.commands.verify.report import document, junit

    if output == "json":
        return json.dumps(document(found), indent=2, ensure_ascii=False) + "\n"
    if output == "junit":
        return junit(found)
    parts = [f"{found.count('passed')} shown"]
    if found.failed:
        parts.append(f"{len(found.failed)} FAILED ({', '.join(result.row.name for result in found.failed)})")
    if absent := found.count("not served"):
        parts.append(f"{absent} not served here")
    return f"{', '.join(parts)}, in {found.seconds:.0f} s\n"
