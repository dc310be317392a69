"""From `-o` and what goes with it to a form, before there is anything to print: a wrong template costs no work."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pykubeadm.cli.lazy import Globals

if TYPE_CHECKING:
    import click

    from pykubeadm.output.forms import Form


def chosen_form(ctx: click.Context, options: dict[str, Any]) -> Form:
    """Takes the values of `document_options` out of `options`. UsageError where the template is wrong or cannot be read."""
    from pykubeadm.commands.source import read_template
    from pykubeadm.output.forms import form

    def read(path: str) -> bytes:
        return read_template(path, ctx.ensure_object(Globals).rootfs)

    return form(options.pop("output"), allow_missing=options.pop("allow_missing_template_keys"), read=read)
