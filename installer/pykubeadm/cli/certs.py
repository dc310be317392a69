"""`pykubeadm certs`"""

from __future__ import annotations

import click

from pykubeadm.cli.lazy import CliCommand, CliGroup
from pykubeadm.tokens.certificate_key import generate_certificate_key

_APPROVE = ("pykubeadm.cli.serving:approve_kubelet_serving", "Approve kubelets' requests for serving certificates")


@click.group(cls=CliGroup, lazy={"approve-kubelet-serving": _APPROVE})
def certs() -> None:
    """Keys and certificates."""


@certs.command("certificate-key", cls=CliCommand)
def certificate_key() -> None:
    """Print a new key for `init --upload-certs --certificate-key`."""
    click.echo(generate_certificate_key())
