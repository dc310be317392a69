"""Certificates and keys on the node: what is there is used, what is missing is made, what is wrong is reported.

A key is written before its certificate. So a run that was cut off leaves at most a key without a certificate, which the
next run certifies; a CA certificate without a key always means that the CA's key is kept elsewhere (external CA).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from pykubeadm.errors import PhaseError
from pykubeadm.node.port import File
from pykubeadm.phases.ca import (
    Pair,
    certificate_path,
    is_external,
    load_authority,
    load_ca,
    load_key,
    read_pair,
    require_match,
)
from pykubeadm.phases.run import ClusterRun
from pykubeadm.pki.check import is_for_key, is_signed_by, leaf_problems, load_certificates, period_problem
from pykubeadm.pki.issue import Subject, encode_certificate, issue_ca, issue_leaf, subject_of
from pykubeadm.pki.keys import PrivateKey, encode_private_key, encode_public_key, load_private_key, load_public_keys
from pykubeadm.pki.pem import EncryptedKeyError
from pykubeadm.pki.table import BY_NAME, CertificateSpec, Usage
from pykubeadm.workflow.phase import Changes

if TYPE_CHECKING:
    from cryptography import x509


def check_ca(run: ClusterRun, entry: CertificateSpec) -> str | None:
    """A sentence where the CA is there already; warns of its period."""
    pair = read_pair(run, entry)
    if pair.certificate is None:
        return None
    certificate = load_ca(pair.certificate_path, pair.certificate)
    _warn_of_period(run, pair.certificate_path, certificate)
    if pair.key is None:
        return f"{pair.certificate_path} is there without its key: the CA is external"
    require_match(pair, certificate, load_key(pair.key_path, pair.key))
    return f"{pair.certificate_path} and its key are there"


def make_ca(run: ClusterRun, entry: CertificateSpec) -> Changes:
    pair = read_pair(run, entry)
    key, files = _key_for(run, pair)
    subject = subject_of(entry, run.configuration, run.now())
    files.append(File(pair.certificate_path, encode_certificate(issue_ca(subject, key)), 0o644))
    run.node.write(files)
    return [f"made the certificate authority {pair.certificate_path}"]


def check_leaf(run: ClusterRun, entry: CertificateSpec) -> str | None:
    """A sentence where the certificate is there already and good; PhaseError with all that is wrong with it."""
    pair = read_pair(run, entry)
    if pair.certificate is None or (pair.key is None and not is_external(run, BY_NAME[entry.signer])):
        return None
    subject = subject_of(entry, run.configuration, run.now())
    _warn_of_ignored_names(run, pair, subject)
    problems = list(_leaf_problems(run, entry, pair, subject))
    if problems:
        raise PhaseError("\n".join(problems))
    return f"{pair.certificate_path} and its key are there"


def make_leaf(run: ClusterRun, entry: CertificateSpec) -> Changes:
    pair = read_pair(run, entry)
    authority = load_authority(run, BY_NAME[entry.signer])
    _warn_of_period(run, certificate_path(run, f"{BY_NAME[entry.signer].base}.crt"), authority.certificate)
    if pair.certificate is not None:
        run.note("warning", f"{pair.certificate_path} has no key {pair.key_path}; both are made again", topic="certs")
    subject = subject_of(entry, run.configuration, run.now())
    _warn_of_ignored_names(run, pair, subject)
    key, files = _key_for(run, pair)
    certificate = issue_leaf(subject, key.public_key(), authority)
    files.append(File(pair.certificate_path, encode_certificate(certificate), 0o644))
    run.node.write(files)
    issued = f"issued {pair.certificate_path}"
    if Usage.SERVER_AUTH in entry.usages:
        issued += f" for {', '.join([*subject.names.dns, *map(str, subject.names.ips)])}"
    return [issued]


def external_leaf_problems(run: ClusterRun, entry: CertificateSpec) -> Iterator[str]:
    """What is wrong with a certificate that somebody else has to provide."""
    pair = read_pair(run, entry)
    if pair.certificate is None:
        yield f"{pair.certificate_path} does not exist, and without {BY_NAME[entry.signer].base}.key it cannot be issued"
        if pair.key is None:
            yield f"{pair.key_path} does not exist"
    else:
        yield from _leaf_problems(run, entry, pair, subject_of(entry, run.configuration, run.now()))


def check_service_account_keys(run: ClusterRun) -> str | None:
    """A sentence where sa.key and sa.pub are there and belong together."""
    key_path, public_path = certificate_path(run, "sa.key"), certificate_path(run, "sa.pub")
    key_pem, public_pem = run.node.read(key_path), run.node.read(public_path)
    if public_pem is None:
        return None
    if key_pem is None:
        raise PhaseError(
            f"{public_path} is there but {key_path} is not; put the key there, "
            f"or remove {public_path} to make a new pair, which ends all service account tokens of the old one"
        )
    try:
        public_keys = load_public_keys(public_pem)
    except ValueError as error:
        raise PhaseError(f"{public_path} {error}; remove it to have it written again") from error
    if load_key(key_path, key_pem).public_key() not in public_keys:
        raise PhaseError(f"{public_path} does not hold the public half of {key_path}; remove it to have it written again")
    return f"{key_path} and {public_path} are there"


def make_service_account_keys(run: ClusterRun) -> Changes:
    key_path, public_path = certificate_path(run, "sa.key"), certificate_path(run, "sa.pub")
    key, files = _key_for(run, Pair(public_path, key_path, None, run.node.read(key_path)))
    files.append(File(public_path, encode_public_key(key.public_key()), 0o600))
    run.node.write(files)
    return [f"made the service accounts' key pair {key_path} and {public_path}" if len(files) == 2 else f"wrote {public_path}"]


def _key_for(run: ClusterRun, pair: Pair) -> tuple[PrivateKey, list[File]]:
    """The pair's key, and the file to write where it is a new one."""
    if pair.key is not None:
        return load_key(pair.key_path, pair.key), []
    key = run.keys.take()
    return key, [File(pair.key_path, encode_private_key(key), 0o600, secret=True)]


def _leaf_problems(run: ClusterRun, entry: CertificateSpec, pair: Pair, subject: Subject) -> Iterator[str]:
    """What is wrong with a certificate that is there, in sentences."""
    path, ca_path = pair.certificate_path, certificate_path(run, f"{BY_NAME[entry.signer].base}.crt")
    try:
        certificate, *intermediates = load_certificates(pair.certificate or b"")
    except ValueError as error:
        yield f"{path} {error}; {_remedy(pair)}"
        return
    try:
        key = load_private_key(pair.key) if pair.key is not None else None
    except EncryptedKeyError as error:
        yield f"{pair.key_path} {error}"
        return
    except ValueError as error:
        yield f"{pair.key_path} {error}; {_remedy(pair)}"
        return
    ca_pem = run.node.read(ca_path)
    if ca_pem is None:
        yield f"{path} is there but {ca_path}, which signed it, is not"
    elif not is_signed_by(certificate, intermediates, load_ca(ca_path, ca_pem)):
        yield f"{path} is not signed by {ca_path}; {_remedy(pair)}"
    if (period := period_problem(certificate, run.now())) is not None:
        yield f"{path} {period}; {_remedy(pair)}"
    if key is None:
        yield f"{pair.key_path} does not exist, so {path} cannot be used"
    elif not is_for_key(certificate, key):
        yield f"{path} does not belong to {pair.key_path}; {_remedy(pair)}"
    for problem in leaf_problems(certificate, subject):
        yield f"{path} {problem}; {_remedy(pair)}"


def _remedy(pair: Pair) -> str:
    return f"replace it, or remove it and {pair.key_path} to have both made again"


def _warn_of_period(run: ClusterRun, path: str, certificate: x509.Certificate) -> None:
    if (problem := period_problem(certificate, run.now())) is not None:
        run.note("warning", f"{path} {problem}", topic="certs")


def _warn_of_ignored_names(run: ClusterRun, pair: Pair, subject: Subject) -> None:
    for name in subject.names.ignored:
        run.note(
            "warning",
            f"{name!r} is neither an IP address nor a DNS name and is left out of {pair.certificate_path}",
            topic="certs",
        )
