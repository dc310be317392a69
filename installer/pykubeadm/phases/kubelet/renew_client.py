"""The kubelet's certificates where it cannot renew them any more: it does so itself, by the API, until they have expired."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from pykubeadm.constants import KUBELET_DIR, KUBERNETES_DIR
from pykubeadm.errors import PhaseError
from pykubeadm.kubeconfig.table import TABLE
from pykubeadm.node.port import File, Unit
from pykubeadm.phases.ca import certificate_path, load_authority, require_valid, uses_external_ca, warn_of_end
from pykubeadm.phases.certs.expiration import OVERDUE
from pykubeadm.phases.certs.present import read_certificate
from pykubeadm.phases.kubeconfig.held import HeldClient, held_client
from pykubeadm.phases.run import ClusterRun
from pykubeadm.pki.check import load_certificates, period_problem
from pykubeadm.pki.issue import BACKDATE, Subject, encode_certificate, issue_leaf
from pykubeadm.pki.keys import encode_private_key
from pykubeadm.pki.table import BY_NAME, Usage
from pykubeadm.workflow.phase import Changes

if TYPE_CHECKING:
    from cryptography import x509

KUBELET_CONF = f"{KUBERNETES_DIR}/kubelet.conf"
# What the kubelet signed for itself, where its serving certificate is not the cluster's. It makes another where there is none.
_SELF_SIGNED = (f"{KUBELET_DIR}/pki/kubelet.crt", f"{KUBELET_DIR}/pki/kubelet.key")
_SPEC = next(spec for spec in TABLE if spec.name == "kubelet")


def files_of_kubelet(run: ClusterRun) -> tuple[str, ...]:
    """The paths that a renewal may change."""
    held = held_client(run.node, KUBELET_CONF)
    return (KUBELET_CONF, *((held.certificate_path,) if held and held.certificate_path else ()), *_SELF_SIGNED)


def kubelet_problem(run: ClusterRun) -> str | None:
    """Why one of the kubelet's certificates cannot be used; None where all can, or where this node has no kubelet."""
    return _client_problem(run) or _serving_problem(run)


def renew_kubelet(run: ClusterRun, *, always: bool) -> Changes:
    """Sign another client certificate for the kubelet where its own cannot be used (or `always`), have it make another serving
    certificate where that is (almost) over, and restart it."""
    changes: list[str] = []
    if always or _client_problem(run) is not None:
        changes += _renew_client(run)
    if _serving_problem(run) is not None:
        changes += [f"removed {path}: the kubelet makes another" for path in run.node.remove(_SELF_SIGNED)]
    if changes and run.node.unit("kubelet").load != "not-found":
        run.kubelet_started = run.now()
        changes += [f"{action} the kubelet" for action in run.node.ensure_unit(Unit("kubelet", state="restarted"))]
    return changes


def _client_problem(run: ClusterRun) -> str | None:
    held = held_client(run.node, KUBELET_CONF)
    if held is None:
        return None
    where = held.certificate_path or held.path
    try:
        certificate = load_certificates(held.certificate)[0]
    except ValueError as error:
        return f"{where} {error}"
    problem = _overdue(certificate, run.now())
    return f"the certificate in {where} {problem}" if problem else None


def _serving_problem(run: ClusterRun) -> str | None:
    serving = read_certificate(run, _SELF_SIGNED[0])
    return None if serving is None else _overdue(serving, run.now())


def _overdue(certificate: x509.Certificate, now: datetime) -> str | None:
    """Why it should have been renewed by now."""
    begin, end = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    if end - now < (end - begin) * OVERDUE:
        return period_problem(certificate, now) or f"expires on {end:%Y-%m-%d %H:%M:%S} UTC and was not renewed"
    return None


def _renew_client(run: ClusterRun) -> Changes:
    held = held_client(run.node, KUBELET_CONF)
    if held is None:
        raise PhaseError(f"{KUBELET_CONF} does not exist; make it with `pykubeadm init phase kubeconfig kubelet`, or join again")
    if uses_external_ca(run):
        raise PhaseError(
            f"without ca.key the kubelet's client certificate cannot be signed here: on a worker remove {KUBELET_CONF} and join"
            " again, with an external CA have the request of `pykubeadm certs generate-csr` signed"
        )
    authority = load_authority(run, BY_NAME["ca"])
    not_after = run.now() + run.configuration.cluster.certificate_validity_period
    path = certificate_path(run, "ca.crt")
    require_valid(authority.certificate, path, run.now())
    if not_after > authority.certificate.not_valid_after_utc:
        not_after = authority.certificate.not_valid_after_utc
        warn_of_end(run, authority.certificate, path, ["kubelet.conf"])
    subject = Subject(
        common_name=_SPEC.user_name(run.configuration),
        organizations=_SPEC.organizations,
        usages=(Usage.CLIENT_AUTH,),
        not_before=run.now() - BACKDATE,
        not_after=not_after,
    )
    key = run.keys.take()
    certificate = encode_certificate(issue_leaf(subject, key.public_key(), authority))
    run.node.write([_file(held, certificate, encode_private_key(key))])
    return [f"certificate with which the kubelet of {subject.common_name.rpartition(':')[2]} reaches the API renewed"]


def _file(held: HeldClient, certificate: bytes, key: bytes) -> File:
    """The kubelet keeps both in one file, to which kubelet.conf leads once it has renewed them."""
    if held.certificate_path:
        return File(held.certificate_path, certificate + key, 0o600, secret=True, replaces=True)
    return File(held.path, held.renewed(certificate, key), 0o600, secret=True, replaces=True)
