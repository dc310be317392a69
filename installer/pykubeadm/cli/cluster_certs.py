"""`pykubeadm cluster certs …`"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from pykubeadm.cli.fleet_options import begin_log, begun, choosing, emit_of, ending_well, failed, running, sources
from pykubeadm.cli.lazy import CliCommand, CliGroup
from pykubeadm.cli.options import document_options, output_option, warn_days_option
from pykubeadm.cli.rotate_ca import rotate_ca

if TYPE_CHECKING:
    from pykubeadm.commands.certs.expiration import Expirations

_OF_ROTATION = ("names", "finish", "abort", "restart_workloads")

certs = CliGroup("certs", help="The certificates of all control planes.", short_help="Certificates of all control planes")


def _check_expiration(ctx: click.Context, warn_days: int | None, **values: Any) -> int:
    from datetime import timedelta

    from pykubeadm.cli.check_expiration import document, printed
    from pykubeadm.cli.output import chosen_form
    from pykubeadm.config.fleet import FLEET_API
    from pykubeadm.errors import EXPIRES_SOON, BugError, PhaseError, PykubeadmError
    from pykubeadm.fleet.certs import expirations

    form = chosen_form(ctx, values)
    described, options = begun(values)
    found = expirations(described, options, lambda _event: None)
    known: dict[str, Expirations] = {name: each for name, each in found.items() if not isinstance(each, PykubeadmError)}
    if form.name == "text":
        click.echo("\n".join(f"{name}\n{printed(each, form)}" for name, each in known.items()), nl=False)
    else:
        hosts = [{"name": name, **document(each)} for name, each in known.items()]
        info = {"kind": "ClusterCertificates", "apiVersion": FLEET_API, "hosts": hosts}
        click.echo(form.printed([info]), nl=False)
    for name, error in ((name, each) for name, each in found.items() if isinstance(each, PykubeadmError)):
        click.echo(str(error) if str(error).startswith(name) else f"{name}: {error}", err=True)
    problems = [f"{name}: {problem}" for name, each in known.items() for problem in each.problems]
    for line in problems:
        click.echo(line, err=True)
    soon = [
        f"{name}: {entry.name} expires on {entry.expires:%Y-%m-%d}"
        for name, each in known.items()
        for entry in (each.within(timedelta(days=warn_days)) if warn_days is not None else ())
    ]
    others = [
        f"{name}: {sentence}"
        for name, each in known.items()
        for sentence in (each.not_in_force() if warn_days is not None else ())
    ]
    for line in (*soon, *others):
        click.echo(f"warning: {line}", err=True)
    if problems or len(known) < len(found):
        return failed(ctx, next((each for each in found.values() if isinstance(each, BugError)), None))
    return EXPIRES_SOON if soon else PhaseError.exit_status if others else 0


def _renew(ctx: click.Context, name: str, **values: Any) -> None:
    from pykubeadm.fleet.certs import run_renew

    described, options = begun(values)
    log = begin_log(described, "cluster certs renew")
    emit = log.keeping(emit_of(ctx, described))
    with ending_well(log, emit):
        run_renew(described, name, options, emit, log=log)


def _rotate(ctx: click.Context, names: tuple[str, ...], **values: Any) -> None:
    from pykubeadm.fleet.rotating import run_rotate

    described, options = begun(values)
    log = begin_log(described, "cluster certs rotate-ca")
    emit = log.keeping(emit_of(ctx, described))
    with ending_well(log, emit):
        run_rotate(described, names, values, options, emit, log=log)


certs.add_command(
    CliCommand(
        "check-expiration",
        callback=click.pass_context(_check_expiration),
        params=[
            *sources(),
            *choosing(),
            *document_options("text"),
            warn_days_option(),
        ],
        help="Print when the certificates on each control plane expire. The exit status is 5 where one of them cannot be asked"
        " or read.",
        short_help="Print when certificates expire",
    )
)
certs.add_command(
    CliCommand(
        "renew",
        callback=click.pass_context(_renew),
        params=[click.Argument(["name"]), *sources(), *running(), output_option()],
        help="Renew the certificate NAME, or all, on each control plane, one after the other. The old files are kept there, "
        "below /var/lib/pykubeadm/backup. After a failure no further one is renewed.",
        short_help="Renew certificates",
    )
)
certs.add_command(
    CliCommand(
        "rotate-ca",
        callback=click.pass_context(_rotate),
        params=[*(param for param in rotate_ca.params if param.name in _OF_ROTATION), *sources(), *running(), output_option()],
        help="Replace the cluster's certificate authorities, and the key that signs tokens of ServiceAccounts, while the cluster "
        "runs: each stage on every node, one after the other. With names (ca, front-proxy-ca, etcd-ca, sa, or all) it starts a "
        "rotation, without names it continues the one that is under way. It stops when all nodes use the new CAs and trust "
        "both; --finish continues from there.",
        short_help="Replace the cluster's certificate authorities",
    )
)
