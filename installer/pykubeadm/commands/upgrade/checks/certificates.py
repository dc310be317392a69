"""Certificates that end an upgrade halfway: expired ones of the cluster, and CAs that do not last."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta

from pykubeadm.phases.certs.expiration import (
    KUBELET_SERVING,
    Expiration,
    authority_expirations,
    kubelet_expirations,
    leaf_expirations,
)
from pykubeadm.phases.certs.present import place_of
from pykubeadm.phases.preflight.check import Check, Findings
from pykubeadm.phases.run import ClusterRun
from pykubeadm.util.age import age

_CA_SOON = timedelta(days=365)  # what an upgrade renews then ends with its CA


def certificate_checks(run: ClusterRun, *, renewal: bool) -> tuple[Check, ...]:
    """`renewal`: the upgrade renews what it can, so that the leaves need not last."""
    return (Check("Certificates", lambda _machine: certificates(run, renewal=renewal)),)


def certificates(run: ClusterRun, *, renewal: bool) -> Findings:
    now = run.now()
    place = place_of(run)
    leaves, of_kubelet = leaf_expirations(run.node, place), kubelet_expirations(run.node)
    expired = [
        (entry.name, f"the certificate {entry.name} expired {age(now - entry.expires)} ago")
        for entry in (*leaves, *of_kubelet)
        if entry.expires is not None and entry.expires <= now
    ]
    errors = [
        f"{sentence}: renew it with `pykubeadm certs renew {name}`" for name, sentence in expired if name != KUBELET_SERVING
    ]
    warnings = [
        f"{sentence}: logs and metrics of this node cannot be read" for name, sentence in expired if name == KUBELET_SERVING
    ]
    authorities = authority_expirations(run.node, place)
    errors += [entry.problem for entry in (*leaves, *authorities, *of_kubelet) if entry.problem]
    errors += [
        f"the CA {entry.name} has expired: its cluster cannot be upgraded" for entry in _within(authorities, run, timedelta())
    ]
    warnings += [
        f"the CA {entry.name} expires in {age(entry.expires - now)}, and with it what it signs now"
        for entry in _within(authorities, run, _CA_SOON)
        if entry.expires is not None and entry.expires > now
    ]
    external = sorted({entry.ca for entry in leaves if entry.external})
    if external and renewal:
        warnings.append(
            f"the key of {', '.join(external)} is kept elsewhere, so that the upgrade renews none of its certificates"
        )
    return Findings(tuple(errors), tuple(warnings))


def _within(entries: Iterable[Expiration], run: ClusterRun, span: timedelta) -> list[Expiration]:
    return [entry for entry in entries if entry.expires is not None and entry.expires - run.now() <= span]
