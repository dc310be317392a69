"""Certificates and keys on the node: what is there is used, what is missing is made, what is wrong is reported.

A key is written before its certificate. So a run that was cut off leaves at most a key without a certificate, which the
next run certifies; a CA certificate without a key always means that the CA's key is kept elsewhere (external CA).
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterator
from typing import TYPE_CHECKING

from pykubeadm.errors import PhaseError
from pykubeadm.kubeconfig.read import read_kubeconfig
from pykubeadm.node.port import File
from pykubeadm.phases.ca import (
    Pair,
    certificate_path,
    changed_since,
    is_external,
    load_authority,
    load_ca,
    load_key,
    read_pair,
    require_allowed,
    require_match,
    require_valid,
)
from pykubeadm.phases.run import ClusterRun
from pykubeadm.pki.check import is_for_key, is_signed_by, leaf_problems, load_certificates, not_allowed, period_problem
from pykubeadm.pki.issue import Subject, encode_certificate, issue_ca, issue_leaf, subject_of
from pykubeadm.pki.keys import PrivateKey, encode_private_key, encode_public_key, load_private_key, load_public_keys
from pykubeadm.pki.pem import EncryptedKeyError
from pykubeadm.pki.renewal import names_of_certificate
from pykubeadm.pki.table import BY_NAME, CertificateSpec, Usage
from pykubeadm.workflow.phase import Changes

if TYPE_CHECKING:
    from cryptography import x509


def check_ca(run: ClusterRun, entry: CertificateSpec) -> str | None:
    """A sentence where the CA is there already and good."""
    pair = read_pair(run, entry)
    if pair.certificate is None:
        return None
    certificate = load_ca(pair.certificate_path, pair.certificate)
    if pair.key is None:
        require_valid(certificate, pair.certificate_path, run.now())
        return f"{pair.certificate_path} is there without its key: the CA is external"
    require_match(run, pair, certificate, load_key(pair.key_path, pair.key))
    if run.makes_authorities and _is_premature(run, pair, certificate):
        return None
    require_valid(certificate, pair.certificate_path, run.now())
    return f"{pair.certificate_path} and its key are there"


def make_ca(run: ClusterRun, entry: CertificateSpec) -> Changes:
    """A certificate that was lost is made for the key that is there: what the key has signed and what trusts it stays good."""
    pair = read_pair(run, entry)
    if pair.certificate is None and pair.key is not None and (kept := _in_kubeconfigs(run, load_key(pair.key_path, pair.key))):
        run.node.write([File(pair.certificate_path, kept[1], 0o644)])
        return [f"restored {pair.certificate_path} from {kept[0]}"]
    key, files = _key_for(run, pair)
    subject = subject_of(entry, run.configuration, run.now())
    files.append(File(pair.certificate_path, encode_certificate(issue_ca(subject, key)), 0o644))
    if pair.certificate is not None:
        run.journal.will_remake(pair.certificate_path)
    run.node.write(files)
    if pair.certificate is not None:
        return [f"made {pair.certificate_path} again, which was not valid yet"]
    return [f"made the certificate authority {pair.certificate_path}"]


def _in_kubeconfigs(run: ClusterRun, key: PrivateKey) -> tuple[str, bytes] | None:
    """A kubeconfig that holds the CA's certificate for `key`, and that certificate."""
    for entry in run.kubeconfigs:
        path = posixpath.join(run.kubeconfig_dir, entry.file)
        content = run.node.read(path)
        try:
            certificates = load_certificates(read_kubeconfig(content).ca) if content is not None else ()
        except ValueError:
            continue
        for certificate in certificates:
            if is_for_key(certificate, key):
                return path, encode_certificate(certificate)
    return None


def check_leaf(run: ClusterRun, entry: CertificateSpec) -> str | None:
    """A sentence where the certificate is there already and good; PhaseError with all that is wrong with it."""
    pair = read_pair(run, entry)
    if pair.certificate is None:
        return None
    if pair.key is None and not is_external(run, BY_NAME[entry.signer]):
        raise PhaseError(
            f"{pair.certificate_path} is there without its key {pair.key_path}: put the key there, or move the certificate away "
            "to have both made again"
        )
    subject = subject_of(entry, run.configuration, run.now())
    _warn_of_ignored_names(run, pair, subject)
    if _is_premature(run, pair) and not is_external(run, BY_NAME[entry.signer]):
        return None
    problems = list(_leaf_problems(run, entry, pair, subject))
    if problems:
        raise PhaseError("\n".join(problems))
    return f"{pair.certificate_path} and its key are there"


def make_leaf(run: ClusterRun, entry: CertificateSpec) -> Changes:
    pair = read_pair(run, entry)
    authority = load_authority(run, BY_NAME[entry.signer])
    ca_path = certificate_path(run, f"{BY_NAME[entry.signer].base}.crt")
    require_valid(authority.certificate, ca_path, run.now())
    subject = subject_of(entry, run.configuration, run.now())
    require_allowed(authority.certificate, ca_path, pair.certificate_path, subject.usages, subject.names)
    _warn_of_ignored_names(run, pair, subject)
    key, files = _key_for(run, pair)
    certificate = issue_leaf(subject, key.public_key(), authority)
    files.append(File(pair.certificate_path, encode_certificate(certificate), 0o644))
    if pair.certificate is not None:
        run.journal.will_remake(pair.certificate_path)
    run.node.write(files)
    issued = f"issued {pair.certificate_path}" + (" again, which was not valid yet," if pair.certificate is not None else "")
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
            f"{public_path} is there but {key_path}, which signs the tokens of all service accounts, is not; put it there, from "
            "a backup or, as all have the same, from another control plane"
        )
    key = load_key(key_path, key_pem)
    try:
        public_keys = load_public_keys(public_pem)
    except ValueError as error:
        raise PhaseError(f"{public_path} {error}; move it away to have it written again") from error
    if key.public_key() not in public_keys:
        changed = changed_since(run, Pair(public_path, key_path, public_pem, key_pem))
        raise PhaseError(
            f"{public_path} does not hold the public half of {key_path}{changed}; put the pair there that belongs together"
        )
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
    else:
        ca = load_ca(ca_path, ca_pem)
        require_valid(ca, ca_path, run.now())
        if not is_signed_by(certificate, intermediates, ca):
            yield f"{path} is not signed by {ca_path}; {_remedy(pair)}"
        if refused := list(not_allowed(ca, subject.usages, names_of_certificate(certificate))):
            yield f"{path} is for {', '.join(refused)}, which {ca_path} excludes for what it signs, so that nobody accepts it"
    if (period := period_problem(certificate, run.now())) is not None:
        yield f"{path} {period}; {_remedy(pair)}"
    if key is None:
        yield f"{pair.key_path} does not exist, so {path} cannot be used"
    elif not is_for_key(certificate, key):
        yield f"{path} does not belong to {pair.key_path}; {_remedy(pair)}"
    for problem in leaf_problems(certificate, subject):
        if run.journal.owns(path):
            yield f"{path} {problem}; {_remedy(pair)}"
        else:  # the user's, as it is: kubeadm uses it, too
            run.note("warning", f"{path}, which this tool did not make, {problem}; it is used all the same", topic="certs")


def _remedy(pair: Pair) -> str:
    return f"put the right one there, or move {pair.certificate_path} and {pair.key_path} away to have both made again"


def _is_premature(run: ClusterRun, pair: Pair, certificate: x509.Certificate | None = None) -> bool:
    """Whether a certificate of our own is not valid yet: it was made while this machine's clock was ahead."""
    if not run.journal.owns(pair.certificate_path):
        return False
    try:
        certificate = certificate or load_certificates(pair.certificate or b"")[0]
    except ValueError:
        return False
    return run.now() < certificate.not_valid_before_utc


def _warn_of_ignored_names(run: ClusterRun, pair: Pair, subject: Subject) -> None:
    for name in subject.names.ignored:
        run.note(
            "warning",
            f"{name!r} is neither an IP address nor a DNS name and is left out of {pair.certificate_path}",
            topic="certs",
        )
