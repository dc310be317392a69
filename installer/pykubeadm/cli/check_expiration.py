"""`pykubeadm certs check-expiration`"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from pykubeadm.cli.lazy import CliCommand
from pykubeadm.cli.machine import machine_of, source_of
from pykubeadm.cli.options import document_options, option, warn_days_option

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from pykubeadm.commands.certs.expiration import Expirations
    from pykubeadm.output.forms import Form
    from pykubeadm.phases.certs.expiration import Expiration
    from pykubeadm.workflow.events import Event

_METRIC = "pykubeadm_certificate"
# kubeadm's tables (cmd/certs.go): Go's text/tabwriter with cells of ten characters at least and three blanks between them.
_NARROWEST, _PADDING = 10, 3


def _check_expiration(ctx: click.Context, warn_days: int | None, **options: Any) -> None:
    from datetime import timedelta

    from pykubeadm.cli.output import chosen_form
    from pykubeadm.commands.certs.expiration import check_expiration
    from pykubeadm.errors import EXPIRES_SOON, PhaseError
    from pykubeadm.util.age import age

    form = chosen_form(ctx, options)
    found = check_expiration(options, _show, machine=machine_of(ctx), source=source_of(ctx, options))
    click.echo(printed(found, form), nl=False)
    soon = found.within(timedelta(days=warn_days)) if warn_days is not None else ()
    for entry in soon:
        assert entry.expires is not None
        left = entry.expires - found.now
        said = f"expires in {age(left)}" if left > timedelta() else f"expired {age(-left)} ago"
        click.echo(f"warning: {entry.name} {said}", err=True)
    others = found.not_in_force() if warn_days is not None else []
    for sentence in others:
        click.echo(f"warning: {sentence}", err=True)
    problems = "\n".join(found.problems)
    if soon:
        click.echo(problems, err=True, nl=bool(problems))
        ctx.exit(EXPIRES_SOON)
    if problems:
        raise PhaseError(problems)
    if others:
        ctx.exit(PhaseError.exit_status)


def _show(event: Event) -> None:
    from pykubeadm.cli.display import subscriber

    subscriber("text", verbosity=0, quiet=True)(event)


def printed(found: Expirations, form: Form) -> str:
    """What is printed in this form: kubeadm's, or "prometheus"."""
    if form.name == "text":
        return _tables(found)
    return _metrics(found) if form.name == "prometheus" else form.printed([document(found)])


def document(found: Expirations) -> dict[str, Any]:
    """CertificateExpirationInfo; as kubeadm prints it; `kubeletCertificates` is ours, where this node has a kubelet."""
    info: dict[str, Any] = {
        "kind": "CertificateExpirationInfo",
        "apiVersion": "output.kubeadm.k8s.io/v1alpha3",
        "certificates": [_entry(entry, found.now) for entry in found.leaves],
        "certificateAuthorities": [_entry(entry, found.now) for entry in found.authorities],
    }
    if found.kubelet:
        info["kubeletCertificates"] = [_entry(entry, found.now) for entry in found.kubelet]
    return info


def _entry(entry: Expiration, now: datetime) -> dict[str, Any]:
    shown: dict[str, Any]
    if entry.expires is None:
        shown = {"name": entry.name, "expirationDate": None, "residualTime": 0, "externallyManaged": False}
        return shown | ({"missing": False, "problem": entry.problem} if entry.problem else {"missing": True})
    shown = {
        "name": entry.name,
        "expirationDate": f"{entry.expires:%Y-%m-%dT%H:%M:%SZ}",
        "residualTime": int((entry.expires - now).total_seconds()),
        "externallyManaged": entry.external,
    }
    return shown | ({"caName": entry.ca} if entry.ca else {}) | {"missing": False}


def _tables(found: Expirations) -> str:
    titles = ("EXPIRES", "RESIDUAL TIME")
    ca, managed = "CERTIFICATE AUTHORITY", "EXTERNALLY MANAGED"
    text = _table(("CERTIFICATE", *titles, ca, managed), (_row(entry, found.now, with_ca=True) for entry in found.leaves))
    text += "\n" + _table((ca, *titles, managed), (_row(entry, found.now, with_ca=False) for entry in found.authorities))
    if found.kubelet:
        own = (_row(entry, found.now, with_ca=True) for entry in found.kubelet)
        text += "\n" + _table(("KUBELET CERTIFICATE", *titles, ca, managed), own)
    return text


def _row(entry: Expiration, now: datetime, *, with_ca: bool) -> tuple[str, ...]:
    from pykubeadm.util.age import age

    if entry.expires is None:
        return (f"!{'UNREADABLE' if entry.problem else 'MISSING'}! {entry.name}", "", "", *(("",) if with_ca else ()), "")
    external = "yes" if entry.external else "no"
    expires = f"{entry.expires:%b %d, %Y %H:%M UTC}"
    return (entry.name, expires, age(entry.expires - now), *((entry.ca,) if with_ca else ()), external)


def _table(titles: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """The last column is as wide as kubeadm makes it, blanks at the end included, but for the title."""
    every = [tuple(titles), *rows]
    widths = [max(_NARROWEST, *(len(row[column]) + _PADDING for row in every)) for column in range(len(titles) - 1)]
    lines = ["".join(cell.ljust(width) for cell, width in zip(row, widths, strict=False)) for row in every]
    ends = [titles[-1], *(f"{row[-1]:<8}" if row[-1] else "" for row in every[1:])]
    return "".join(f"{line}{end}\n" for line, end in zip(lines, ends, strict=True))


def _metrics(found: Expirations) -> str:
    """Prometheus' text format (exposition formats, 0.0.4), for node_exporter's textfile collector."""
    expiring, missing = [], []
    for kind, entry in found.every():
        labels = f'{{name="{entry.name}",kind="{kind}",ca="{entry.ca}"}}'
        missing.append(f"{_METRIC}_missing{labels} {int(entry.expires is None)}\n")
        if entry.expires is not None:
            expiring.append(f"{_METRIC}_expiration_timestamp_seconds{labels} {int(entry.expires.timestamp())}\n")
    return "".join(
        [
            f"# HELP {_METRIC}_expiration_timestamp_seconds When the certificate expires, in seconds since the epoch.\n",
            f"# TYPE {_METRIC}_expiration_timestamp_seconds gauge\n",
            *expiring,
            f"# HELP {_METRIC}_missing Whether the certificate is not there, or cannot be read.\n",
            f"# TYPE {_METRIC}_missing gauge\n",
            *missing,
        ]
    )


check_expiration = CliCommand(
    "check-expiration",
    callback=click.pass_context(_check_expiration),
    params=[
        *(option(name) for name in ("cert-dir", "config", "kubeconfig")),
        *document_options("text", "prometheus"),
        warn_days_option(),
    ],
    help="Print when the certificates on this node expire: those that `certs renew` renews, the CAs, and the kubelet's. The form"
    " prometheus is for node_exporter's textfile collector.",
    short_help="Print when the certificates on this node expire",
)
