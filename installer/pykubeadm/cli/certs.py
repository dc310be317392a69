"""`pykubeadm certs`"""

from __future__ import annotations

import click

from pykubeadm.cli.lazy import Command, Group
from pykubeadm.tokens.certificate_key import generate_certificate_key

_APPROVE = ("pykubeadm.cli.serving:approve_kubelet_serving", "Approve kubelets' requests for serving certificates")


@click.group(cls=Group, lazy={"approve-kubelet-serving": _APPROVE})
def certs() -> None:
    """Keys and certificates."""


@certs.command("certificate-key", cls=Command)
def certificate_key() -> None:
    """Print a new key for `init --upload-certs --certificate-key`."""
    click.echo(generate_certificate_key())
