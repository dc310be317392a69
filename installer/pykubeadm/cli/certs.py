"""`pykubeadm certs`"""

from __future__ import annotations

import click

from pykubeadm.cli.lazy import CliCommand, CliGroup


@click.group(
    cls=CliGroup,
    lazy={
        "approve-kubelet-serving": (
            "pykubeadm.cli.serving:approve_kubelet_serving",
            "Approve kubelets' requests for serving certificates",
        ),
        "check-expiration": (
            "pykubeadm.cli.check_expiration:check_expiration",
            "Print when the certificates on this node expire",
        ),
        "generate-csr": ("pykubeadm.cli.generate_csr:generate_csr", "Make keys and certificate signing requests"),
        "renew": ("pykubeadm.cli.renew:renew", "Renew certificates of this control plane"),
        "rotate-ca": ("pykubeadm.cli.rotate_ca:rotate_ca", "Replace the cluster's certificate authorities"),
    },
)
def certs() -> None:
    """Keys and certificates."""


@certs.command("certificate-key", cls=CliCommand)
def certificate_key() -> None:
    """Print a new key for `init --upload-certs --certificate-key`."""
    from pykubeadm.tokens.certificate_key import generate_certificate_key

    click.echo(generate_certificate_key())
