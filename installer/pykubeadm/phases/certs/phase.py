"""certs: the certificate authorities, the certificates they sign and the service accounts' key pair.

The work is in `phases.certs.files`, which is imported when a phase runs: it brings cryptography along.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from pykubeadm.phases.run import ClusterRun
from pykubeadm.pki.table import TABLE, CertificateSpec
from pykubeadm.workflow.phase import Changes, Phase

_FLAGS = ("cert-dir", "config", "kubernetes-version", "dry-run")
_APISERVER_FLAGS = (
    "apiserver-advertise-address",
    "control-plane-endpoint",
    "apiserver-cert-extra-sans",
    "service-dns-domain",
    "service-cidr",
)


def _check(entry: CertificateSpec, run: ClusterRun) -> str | None:
    from pykubeadm.phases.certs import external_ca, files

    if not entry.is_ca:
        return files.check_leaf(run, entry)
    found = files.check_ca(run, entry)
    external_ca.require_external_files(run, entry)
    return found


def _apply(entry: CertificateSpec, run: ClusterRun) -> Changes:
    from pykubeadm.phases.certs import files

    return (files.make_ca if entry.is_ca else files.make_leaf)(run, entry)


def _check_service_account(run: ClusterRun) -> str | None:
    from pykubeadm.phases.certs.files import check_service_account_keys

    return check_service_account_keys(run)


def _make_service_account(run: ClusterRun) -> Changes:
    from pykubeadm.phases.certs.files import make_service_account_keys

    return make_service_account_keys(run)


def _is_wanted(entry: CertificateSpec) -> Callable[[ClusterRun], bool]:
    """An external etcd brings its own certificates."""
    of_etcd = "etcd-ca" in (entry.name, entry.signer)
    return lambda run: not (of_etcd and run.configuration.cluster.etcd.external)


certs: Phase[ClusterRun] = Phase(
    name="certs",
    summary="Make the certificates and keys",
    flags=_FLAGS + _APISERVER_FLAGS,
    phases=(
        *(
            Phase(
                name=entry.name,
                summary=entry.summary,
                check=partial(_check, entry),
                apply=partial(_apply, entry),
                when=_is_wanted(entry),
                flags=_FLAGS + (_APISERVER_FLAGS if entry.name == "apiserver" else ()),
            )
            for entry in TABLE
        ),
        Phase(
            name="sa",
            summary="Make the key pair that signs service account tokens",
            check=_check_service_account,
            apply=_make_service_account,
            flags=_FLAGS,
        ),
    ),
)
