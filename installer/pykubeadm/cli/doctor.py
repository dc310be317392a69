"""`pykubeadm doctor`"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

from pykubeadm.cli.lazy import CliCommand, Globals
from pykubeadm.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

    from pykubeadm.commands.doctor.check import Examined
    from pykubeadm.commands.doctor.command import Diagnosis
    from pykubeadm.kube.credentials import Credentials

_WORDS = {
    "problem": ("PROBLEM", "red"),
    "warning": ("warning", "yellow"),
    "unknown": ("unknown", "cyan"),
    "note": ("note", "cyan"),
    "fine": ("fine", "green"),
}


@click.command(cls=CliCommand)
@click.option(
    "-o",
    "--output",
    type=click.Choice(["text", "json", "html"]),
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
def doctor(ctx: click.Context, /, output: str, kubeconfig: str | None) -> None:
    """Find what is wrong on this node and in its cluster, and print what to run; nothing is changed. -v 1 adds notes.

    On a node its kernel, disks, certificates, runtime, kubelet and static pods are checked; with a kubeconfig, from anywhere,
    the cluster is. Ends with status 10 if there is a problem.
    """
    from functools import cache, partial

    from pykubeadm.cli.kubeconfig import credentials
    from pykubeadm.cli.this_node import this_node
    from pykubeadm.commands.doctor.command import diagnose
    from pykubeadm.errors import UNHEALTHY, ApiError
    from pykubeadm.node.local import LocalNode

    node = this_node(ctx)
    asked = cache(partial(credentials, ctx, kubeconfig))
    reach: Callable[[], Credentials] | None = asked
    try:
        asked()
    except UsageError:
        if node is None or kubeconfig:
            raise
        reach = None  # a worker: what is asked of the node is all there is
    except ApiError:  # of a kubeconfig that cannot be used: the node is looked at all the same
        if node is None:
            raise
    found = diagnose(node, reach, LocalNode().now)
    click.echo(_printed(found, output, notes=ctx.ensure_object(Globals).verbosity > 0), nl=False)
    if found.remarks("problem"):
        ctx.exit(UNHEALTHY)


def _printed(found: Diagnosis, output: str, *, notes: bool) -> str:
    from pykubeadm.commands.doctor.report import document, html

    if output == "json":
        return json.dumps(document(found), indent=2, ensure_ascii=False) + "\n"
    return html(found) if output == "html" else _text(found, notes=notes)


def _text(found: Diagnosis, *, notes: bool) -> str:
    lines = [line for each in found.examined for line in _lines(each, notes=notes)]
    counts = {level: len(found.remarks(level)) for level in ("problem", "warning", "unknown", "note")}
    said = [f"{count} {level}{'s' if count > 1 and level != 'unknown' else ''}" for level, count in counts.items() if count]
    where = " and ".join(filter(None, (found.node, found.server)))
    return "".join(
        f"{line}\n" for line in [*lines, f"{', '.join(said) or 'Nothing is wrong'}, of {len(found.examined)} checks of {where}"]
    )


def _lines(each: Examined, *, notes: bool) -> list[str]:
    shown = [remark for remark in each.remarks if notes or remark.level != "note"]
    if not shown:
        return [f"{_word('fine')} {each.name}"]
    lines = []
    for remark in shown:
        lines.append(f"{_word(remark.level)} {each.name}: {remark.found}")
        if remark.level != "unknown":
            lines.append(f"          why it matters: {each.why}")
        if remark.run:
            lines.append(f"          what to do: {remark.run}")
    return lines


def _word(level: str) -> str:
    word, colour = _WORDS[level]
    return click.style(f"{word:<9}", fg=colour)
