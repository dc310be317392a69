"""The certificate authorities as they are on the node, and whether something can be signed with them."""

from __future__ import annotations

import posixpath
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from pykubeadm.errors import PhaseError
from pykubeadm.phases.run import ClusterRun
from pykubeadm.pki.check import ca_problem, is_for_key, load_certificates, not_allowed, period_problem
from pykubeadm.pki.issue import Authority
from pykubeadm.pki.keys import PrivateKey, load_private_key
from pykubeadm.pki.pem import EncryptedKeyError
from pykubeadm.pki.sans import Names
from pykubeadm.pki.table import BY_NAME, CertificateSpec, Usage
from pykubeadm.util.dataclass import dataclass

if TYPE_CHECKING:
    from cryptography import x509

_RESTORE = "put the right one there, from a backup or, as all have the same, from another control plane"


@dataclass(frozen=True, slots=True)
class Pair:
    """A certificate's and its key's paths and what is in them, None where the file does not exist."""

    certificate_path: str
    key_path: str
    certificate: bytes | None
    key: bytes | None


def certificate_path(run: ClusterRun, name: str) -> str:
    """`name` is the file below certificatesDir, as in "ca.crt"."""
    return posixpath.join(run.configuration.cluster.certificates_dir, name)


def read_pair(run: ClusterRun, entry: CertificateSpec) -> Pair:
    certificate, key = certificate_path(run, f"{entry.base}.crt"), certificate_path(run, f"{entry.base}.key")
    there = run.node.ahead(read=(certificate, key))
    return Pair(certificate, key, there.read(certificate), there.read(key))


def is_external(run: ClusterRun, ca: CertificateSpec) -> bool:
    """Whether the CA's certificate is here and its key is not."""
    certificate, key = certificate_path(run, f"{ca.base}.crt"), certificate_path(run, f"{ca.base}.key")
    there = run.node.ahead(stat=(certificate, key))
    return there.stat(certificate) is not None and there.stat(key) is None


def uses_external_ca(run: ClusterRun) -> bool:
    """Whether the cluster's CA signs elsewhere, so that nothing can be issued here."""
    return is_external(run, BY_NAME["ca"])


def load_authority(run: ClusterRun, ca: CertificateSpec) -> Authority:
    """The CA with its key, to sign with; PhaseError where either is missing or cannot be used."""
    pair = read_pair(run, ca)
    if pair.certificate is None:
        raise PhaseError(f"{pair.certificate_path} does not exist; make it first with `pykubeadm init phase certs {ca.name}`")
    certificate = load_ca(pair.certificate_path, pair.certificate)
    if pair.key is None:
        raise PhaseError(
            f"{pair.key_path} does not exist, so nothing can be signed with {pair.certificate_path}; "
            "put the key there, or provide all certificates that this CA signs"
        )
    key = load_key(pair.key_path, pair.key)
    require_match(run, pair, certificate, key)
    return Authority(certificate, key)


def load_ca(path: str, pem: bytes) -> x509.Certificate:
    """The first certificate of the file, which must be a CA."""
    try:
        certificate = load_certificates(pem)[0]
    except ValueError as error:
        raise PhaseError(f"{path} {error}; {_RESTORE}") from error
    if (problem := ca_problem(certificate)) is not None:
        raise PhaseError(f"{path} cannot be used as a certificate authority: {problem}")
    return certificate


def load_key(path: str, pem: bytes) -> PrivateKey:
    try:
        return load_private_key(pem)
    except EncryptedKeyError as error:
        raise PhaseError(f"{path} {error}") from error
    except ValueError as error:
        raise PhaseError(f"{path} {error}; {_RESTORE}") from error


def require_match(run: ClusterRun, pair: Pair, certificate: x509.Certificate, key: PrivateKey) -> None:
    if not is_for_key(certificate, key):
        raise PhaseError(
            f"{pair.certificate_path} does not belong to {pair.key_path}{changed_since(run, pair)}; put the pair there that "
            "belongs together"
        )


def changed_since(run: ClusterRun, pair: Pair) -> str:
    """Which half is not what this tool wrote, as far as it knows, to be put behind what is wrong with the two."""
    halves = {pair.certificate_path: pair.certificate, pair.key_path: pair.key}
    changed = [
        path
        for path, content in halves.items()
        if content is not None and run.journal.owns(path) and not run.journal.is_as_written(path, content)
    ]
    return f" ({changed[0]} was changed since this tool wrote it)" if len(changed) == 1 else ""


def require_valid(ca: x509.Certificate, ca_path: str, now: datetime) -> None:
    """PhaseError where nobody would accept what `ca` signs now."""
    if (problem := period_problem(ca, now)) is not None:
        early = now < ca.not_valid_before_utc
        remedy = f"set the clock, which says {now:%Y-%m-%d %H:%M}" if early else "the CA itself has to be replaced"
        raise PhaseError(f"{ca_path} {problem}, so nothing can be signed with it: {remedy}")


def require_allowed(ca: x509.Certificate, ca_path: str, path: str, usages: Sequence[Usage], names: Names) -> None:
    """PhaseError where nobody would accept what `ca` signs for these, to be written to `path`."""
    if refused := list(not_allowed(ca, usages, names)):
        raise PhaseError(
            f"{path} would be accepted by nobody: the name constraints or extended key usages of its CA {ca_path} exclude"
            f" {', '.join(refused)}; use a CA that has none, or wider ones"
        )


def warn_of_end(run: ClusterRun, ca: x509.Certificate, ca_path: str, names: Sequence[str]) -> None:
    """What is renewed ends no later than its CA: nobody would accept it afterwards."""
    run.note(
        "warning",
        f"{ca_path} ends on {ca.not_valid_after_utc:%Y-%m-%d}, and with it what it signs now ({', '.join(names)}): replace the "
        "CA before that day, with `pykubeadm certs rotate-ca`",
    )


def require_within(
    ca: x509.Certificate,
    ca_path: str,
    name: str,
    *,
    now: datetime,
    not_after: datetime,
    remedy: str,
) -> None:
    """PhaseError where what `ca` signs for `name` would still be valid when `ca` no longer is: nobody would accept it then.
    `remedy` is the setting that the period comes from."""
    require_valid(ca, ca_path, now)
    end = ca.not_valid_after_utc
    if not_after > end:
        longest = (end - now) // timedelta(hours=1)
        raise PhaseError(
            f"{name} would be valid until {not_after:%Y-%m-%d}, its CA {ca_path} only until {end:%Y-%m-%d}:"
            f" set {remedy} to {longest}h at most, and replace the CA in time"
        )
