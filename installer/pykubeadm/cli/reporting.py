"""Where a command without phases on its command line reports what happens."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from pykubeadm.cli.lazy import Globals

if TYPE_CHECKING:
    import click

    from pykubeadm.workflow.events import Subscriber


@contextmanager
def reporting(ctx: click.Context, output: str) -> Iterator[Subscriber]:
    """Within, what it emits is shown as `output` says; it continues where the terminal is lost meanwhile."""
    from pykubeadm.cli.display import stamped, subscriber
    from pykubeadm.cli.hangup import outlasting, survived

    with survived():
        yield stamped(outlasting(subscriber(output, verbosity=ctx.ensure_object(Globals).verbosity)))
