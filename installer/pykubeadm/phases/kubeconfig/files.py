"""Kubeconfig files on the node: one that is there is used when it leads to this cluster's CA, one that is missing is made."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator

from pykubeadm.config.section import DocumentError
from pykubeadm.errors import PhaseError
from pykubeadm.kubeconfig.document import build_kubeconfig
from pykubeadm.kubeconfig.read import Kubeconfig, read_kubeconfig
from pykubeadm.kubeconfig.table import KubeconfigFile
from pykubeadm.node.port import File
from pykubeadm.phases.ca import certificate_path, load_authority, require_allowed, require_valid, uses_external_ca
from pykubeadm.phases.run import ClusterRun
from pykubeadm.pki.check import is_signed_by, load_certificates, period_problem
from pykubeadm.pki.issue import Subject, encode_certificate, issue_leaf
from pykubeadm.pki.keys import encode_private_key
from pykubeadm.pki.table import BY_NAME, Usage
from pykubeadm.workflow.phase import Changes


def kubeconfig_path(run: ClusterRun, entry: KubeconfigFile) -> str:
    return posixpath.join(run.kubeconfig_dir, entry.file)


def check_kubeconfig(run: ClusterRun, entry: KubeconfigFile) -> str | None:
    """A sentence where the file is there and good; PhaseError where it leads to another CA. Another server is a warning only,
    as in kubeadm: a load balancer may have been put in by hand."""
    path = kubeconfig_path(run, entry)
    content = run.node.read(path)
    if content is None:
        if uses_external_ca(run):
            raise PhaseError(f"{path} does not exist, and without ca.key it cannot be made; provide it")
        return None
    if _is_premature(run, path, content) and not uses_external_ca(run):
        return None
    problems = list(_problems(run, entry, path, content))
    if problems:
        raise PhaseError("\n".join(problems))
    return f"{path} is there"


def make_kubeconfig(run: ClusterRun, entry: KubeconfigFile) -> Changes:
    path, cluster, ca_path = kubeconfig_path(run, entry), run.configuration.cluster, certificate_path(run, "ca.crt")
    authority = load_authority(run, BY_NAME["ca"])
    require_valid(authority.certificate, ca_path, run.now())
    user = entry.user_name(run.configuration)
    subject = Subject(
        common_name=user,
        organizations=entry.organizations,
        usages=(Usage.CLIENT_AUTH,),
        not_before=authority.certificate.not_valid_before_utc,  # kubeadm backdates these to the CA
        not_after=run.now() + cluster.certificate_validity_period,
    )
    require_allowed(authority.certificate, ca_path, path, subject.usages, subject.names)
    key = run.keys.take()
    content = build_kubeconfig(
        server=entry.server(run.configuration),
        cluster=cluster.cluster_name,
        user=user,
        ca=encode_certificate(authority.certificate),
        certificate=encode_certificate(issue_leaf(subject, key.public_key(), authority)),
        key=encode_private_key(key),
    )
    if again := run.node.stat(path) is not None:
        run.journal.will_remake(path)
    run.node.write([File(path, content, 0o600, secret=True)])
    why = " again, as its certificate was not valid yet" if again else ""
    return [f"wrote {path} for {user} at {entry.server(run.configuration)}{why}"]


def _is_premature(run: ClusterRun, path: str, content: bytes) -> bool:
    """Whether a kubeconfig of our own shows a certificate that is not valid yet: it was made while the clock was ahead."""
    if not run.journal.owns(path):
        return False
    try:
        kubeconfig = read_kubeconfig(content)
        pem = kubeconfig.certificate or (run.node.read(kubeconfig.certificate_path) if kubeconfig.certificate_path else None)
        certificate = load_certificates(pem or b"")[0]
    except ValueError:
        return False
    return run.now() < certificate.not_valid_before_utc


def external_kubeconfig_problems(run: ClusterRun, entry: KubeconfigFile) -> Iterator[str]:
    """What is wrong with a kubeconfig that somebody else has to provide."""
    path = kubeconfig_path(run, entry)
    content = run.node.read(path)
    if content is None:
        yield f"{path} does not exist, and without ca.key it cannot be made"
    else:
        yield from _problems(run, entry, path, content)


def _problems(run: ClusterRun, entry: KubeconfigFile, path: str, content: bytes) -> Iterator[str]:
    remedy = "put the right one there, or move it away to have it made again"
    try:
        existing = read_kubeconfig(content)
    except DocumentError as error:
        yield f"{path} {error}; {remedy}"
        return
    ca_path = certificate_path(run, "ca.crt")
    ca_pem = run.node.read(ca_path)
    if ca_pem is None:
        yield f"{ca_path} does not exist; make it first with `pykubeadm init phase certs ca`"
        return
    ca_bytes = existing.ca or (run.node.read(existing.ca_path) if existing.ca_path else None) or b""
    try:
        authorities = load_certificates(ca_pem)
    except ValueError as error:
        yield f"{ca_path} {error}"
        return
    try:
        trusted = load_certificates(ca_bytes)[0]
    except ValueError:
        yield f"{path} holds no CA certificate for its cluster; {remedy}"
        return
    if trusted.public_key() not in [authority.public_key() for authority in authorities]:
        yield f"{path} trusts another CA than {ca_path}; {remedy}"
        return
    wanted = entry.server(run.configuration)
    if existing.server != wanted:
        run.note("warning", f"{path} leads to {existing.server}, not to {wanted}", topic="kubeconfig")
    if existing.certificate_path:
        yield from _pair_problems(run, path, existing.certificate_path)
    _warn_of_client(run, path, existing)


def _pair_problems(run: ClusterRun, path: str, pair_path: str) -> Iterator[str]:
    """What is wrong with the certificate that a kubeconfig leads to: with the kubelet's, which that renews."""
    pem = run.node.read(pair_path)
    try:
        load_certificates(pem or b"")
    except ValueError as error:
        what = f"does not exist, though {path} leads to it" if pem is None else f"{error}, and {path} leads to it"
        yield f"{pair_path} {what}; put the right one there, or move both files away to have {path} made again"


def _warn_of_client(run: ClusterRun, path: str, existing: Kubeconfig) -> None:
    """Warns of a client certificate that cannot work. (kubeadm does not look at it.)"""
    if not existing.certificate:
        return
    ca_pem = run.node.read(certificate_path(run, "ca.crt")) or b""
    try:
        certificate, *intermediates = load_certificates(existing.certificate)
    except ValueError as error:
        run.note("warning", f"{path}: its client certificate {error}", topic="kubeconfig")
        return
    if (problem := period_problem(certificate, run.now())) is not None:
        run.note("warning", f"{path}: its client certificate {problem}", topic="kubeconfig")
    if not any(is_signed_by(certificate, intermediates, ca) for ca in load_certificates(ca_pem)):
        run.note("warning", f"{path}: its client certificate is not signed by this cluster's CA", topic="kubeconfig")
