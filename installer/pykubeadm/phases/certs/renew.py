"""Renewing what the cluster's CAs signed: a new key, the same names and rights, another period.

Called with any run: by `certs renew`, and by whatever replaces a component anyway. Whom a certificate is for is copied from the
one that is there, and names that the configuration wants by now are added (kubeadm copies only: kubeadm#1447).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

from pykubeadm.errors import PhaseError
from pykubeadm.kubeconfig.table import KubeconfigFile
from pykubeadm.node.port import File
from pykubeadm.phases.ca import certificate_path, is_external, load_authority, require_allowed, require_valid, warn_of_end
from pykubeadm.phases.certs.expiration import leaf_file
from pykubeadm.phases.certs.leaves import LEAVES, Leaf
from pykubeadm.phases.certs.present import leaf_certificate, place_of
from pykubeadm.phases.kubeconfig.copies import copies_of
from pykubeadm.phases.kubeconfig.held import held_client
from pykubeadm.phases.run import ClusterRun
from pykubeadm.pki.check import is_signed_by, load_certificates
from pykubeadm.pki.issue import Authority, encode_certificate, issue_leaf
from pykubeadm.pki.keys import PrivateKey, encode_private_key, generate_key
from pykubeadm.pki.renewal import algorithm_of, missing_names, period_of, renewed_subject
from pykubeadm.pki.sans import Names
from pykubeadm.pki.table import BY_NAME, Usage
from pykubeadm.workflow.phase import Changes

if TYPE_CHECKING:
    from cryptography import x509

ADMIN_CONF = "admin.conf"


def why_not(run: ClusterRun, leaf: Leaf) -> str | None:
    """A sentence of kubeadm's where it is not there, or is renewed elsewhere; None where it can be renewed here, as far as is
    seen without reading it."""
    if run.node.stat(_path(run, leaf)) is None:
        return f"MISSING! {leaf.words}"
    ca = BY_NAME[leaf.ca]
    return f"Detected external {ca.base}, {leaf.words} can't be renewed" if is_external(run, ca) else None


def files_of(run: ClusterRun, leaf: Leaf) -> tuple[str, ...]:
    """The paths that renewing it changes."""
    path = _path(run, leaf)
    return (path,) if isinstance(leaf.spec, KubeconfigFile) else (certificate_path(run, f"{leaf.spec.base}.key"), path)


def names_to_add(run: ClusterRun, leaf: Leaf) -> Names:
    """The names that the configuration wants and the certificate does not have; PhaseError where there is none."""
    return _added_names(run, leaf, _certificate(run, leaf))


def require_renewable(run: ClusterRun, leaves: Sequence[Leaf], *, as_before: bool) -> None:
    """PhaseError with all that keeps them from being renewed; before anything is changed. Warnings for what kubeadm does without
    a word: replacing what another CA signed, and, where theirs ends before their period does, letting them outlive it."""
    problems: list[str] = []
    for name in dict.fromkeys(leaf.ca for leaf in leaves):
        found: dict[Leaf, x509.Certificate] = {}
        for leaf in leaves:
            if leaf.ca == name:
                with _gathered(problems):
                    found[leaf] = _certificate(run, leaf)
        with _gathered(problems):
            _require_authority(run, name, found, as_before=as_before)
    if problems:
        raise PhaseError("\n".join(problems))


@contextmanager
def _gathered(problems: list[str]) -> Iterator[None]:
    try:
        yield
    except PhaseError as error:
        problems.append(str(error))


def _require_authority(run: ClusterRun, name: str, leaves: Mapping[Leaf, x509.Certificate], *, as_before: bool) -> None:
    """PhaseError where the CA must not sign again what it should have signed."""
    path, authority = certificate_path(run, f"{BY_NAME[name].base}.crt"), load_authority(run, BY_NAME[name])
    require_valid(authority.certificate, path, run.now())
    if others := [leaf.name for leaf in leaves if not _is_of(run, leaf, path)]:
        _require_signer(run, name, path)
        run.note("warning", f"{path} did not sign {', '.join(others)}, which gets a certificate of this CA now")
    for leaf, certificate in leaves.items():
        added = Names() if as_before else _added_names(run, leaf, certificate)
        require_allowed(authority.certificate, path, _path(run, leaf), (), added)
    end = authority.certificate.not_valid_after_utc
    periods = {leaf.name: _period(run, certificate, authority, as_before) for leaf, certificate in leaves.items()}
    if early := [each for each, period in periods.items() if run.now() + period > end]:
        warn_of_end(run, authority.certificate, path, early)


def _require_signer(run: ClusterRun, name: str, path: str) -> None:
    """A CA that signed nothing here is another cluster's: with what it signs the components would no longer trust each other."""
    signed = [leaf for leaf in LEAVES if leaf.ca == name and why_not(run, leaf) is None]
    if not any(_is_of(run, leaf, path) for leaf in signed):
        raise PhaseError(
            f"{path} signed none of the certificates on this node that are its own ({', '.join(leaf.name for leaf in signed)}): "
            "put the CA of this cluster and its key there; nothing was changed (a new CA takes its place with `pykubeadm certs "
            "rotate-ca`, or where the former one is kept behind it in that file until all is renewed)"
        )


def _is_of(run: ClusterRun, leaf: Leaf, path: str) -> bool:
    """Whether one of the CAs in the file signed it; False too where it cannot be read."""
    try:
        file = leaf_file(run.node, place_of(run), leaf)
        certificate, *chain = load_certificates(file.pem if file else b"")
    except (PhaseError, ValueError):
        return False
    return any(is_signed_by(certificate, chain, ca) for ca in load_certificates(run.node.read(path) or b""))


def renew(run: ClusterRun, leaf: Leaf, *, as_before: bool = False, chain: bytes = b"") -> Changes:
    """Sign it again with a new key, and write both. `as_before`: algorithm and period are those of the certificate itself, as
    the cluster's configuration cannot be read, and no names are added. `chain` (PEM) is shown behind the certificate. Owner and
    mode of the files stay."""
    certificate = _certificate(run, leaf)
    authority = load_authority(run, BY_NAME[leaf.ca])
    added = Names() if as_before else _added_names(run, leaf, certificate)
    wanted = run.now() + _period(run, certificate, authority, as_before)
    not_after = min(wanted, authority.certificate.not_valid_after_utc)
    subject = renewed_subject(certificate, added, now=run.now(), not_after=not_after)
    if not subject.usages:
        subject = replace(subject, usages=(Usage.CLIENT_AUTH,) if isinstance(leaf.spec, KubeconfigFile) else leaf.spec.usages)
    key = _new_key(run, certificate, as_before=as_before)
    pem, key_pem = encode_certificate(issue_leaf(subject, key.public_key(), authority)) + chain, encode_private_key(key)
    named = ", ".join([*added.dns, *map(str, added.ips)])
    changes = [f"{leaf.words} renewed" + (f", now for {named} too" if named else "")]
    if isinstance(leaf.spec, KubeconfigFile):
        return [*changes, *_write_kubeconfig(run, leaf, pem, key_pem, authority)]
    key_path, path = files_of(run, leaf)
    run.node.write([as_there(run, key_path, key_pem, 0o600), as_there(run, path, pem, 0o644)])
    return changes


def _path(run: ClusterRun, leaf: Leaf) -> str:
    return leaf.path(run.configuration.cluster.certificates_dir, run.kubeconfig_dir)


def _certificate(run: ClusterRun, leaf: Leaf) -> x509.Certificate:
    found = leaf_certificate(run, leaf)
    if found is None:
        raise PhaseError(f"there is no {leaf.words} to renew; make it with `pykubeadm init phase certs` or `kubeconfig`")
    return found


def _period(run: ClusterRun, certificate: x509.Certificate, authority: Authority, as_before: bool) -> timedelta:
    return period_of(certificate, authority.certificate) if as_before else run.configuration.cluster.certificate_validity_period


def _new_key(run: ClusterRun, certificate: x509.Certificate, *, as_before: bool) -> PrivateKey:
    algorithm = algorithm_of(certificate) if as_before else run.keys.algorithm
    return run.keys.take() if algorithm == run.keys.algorithm else generate_key(algorithm)


def _added_names(run: ClusterRun, leaf: Leaf, certificate: x509.Certificate) -> Names:
    if isinstance(leaf.spec, KubeconfigFile) or leaf.spec.names is None:
        return Names()
    return missing_names(certificate, leaf.spec.names(run.configuration))


def _write_kubeconfig(run: ClusterRun, leaf: Leaf, certificate: bytes, key: bytes, authority: Authority) -> Changes:
    """With all else in it as it is: whom it trusts too, where that includes the CA that signs now."""
    path = _path(run, leaf)
    held, before = held_client(run.node, path), run.node.read(path)
    if held is None or before is None:
        raise PhaseError(f"{path} is gone")
    try:
        trusted = authority.certificate in load_certificates(held.kubeconfig.ca)
    except ValueError:
        trusted = bool(held.kubeconfig.ca_path)  # a file, which is not ours to judge
    bundle = b"" if trusted else run.node.read(certificate_path(run, "ca.crt")) or b""
    file = as_there(run, path, held.renewed(certificate, key, bundle), 0o600)
    copies = copies_of(run.node, before) if leaf.name == ADMIN_CONF else ()
    # The copies first: they are known by what they have in common with it.
    run.node.write([*(replace(copy, content=file.content) for copy in copies), file])
    return [f"refreshed {copy.path}, a copy of {path}" for copy in copies]


def as_there(run: ClusterRun, path: str, content: bytes, mode: int) -> File:
    """The file with this content, with the owner and the mode of the one that is there; else root's own with `mode`."""
    secret = mode == 0o600
    stat = run.node.stat(path)
    if stat is None or stat.kind != "file":
        return File(path, content, mode, secret=secret, replaces=True)
    return File(path, content, stat.mode, stat.uid, stat.gid, secret=secret, replaces=True)
