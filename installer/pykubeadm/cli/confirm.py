"""Questions before what cannot be undone."""

from __future__ import annotations

import sys

import click


def confirmed(question: str) -> bool:
    """Whether the user answers y or yes. The end of the input counts as no, as with kubeadm, so that a job without a terminal is
    told which flag confirms."""
    click.echo(f"{question} [y/N]: ", nl=False, err=True)
    return sys.stdin.readline().strip().lower() in ("y", "yes")
