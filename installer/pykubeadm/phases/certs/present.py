"""The certificates that are on the node now, as a run that renews them reads them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pykubeadm.phases.certs.expiration import CertificateFile, certificate_file, leaf_file
from pykubeadm.phases.certs.place import Place
from pykubeadm.phases.run import ClusterRun
from pykubeadm.pki.check import load_certificates

if TYPE_CHECKING:
    from cryptography import x509

    from pykubeadm.phases.certs.leaves import Leaf


def leaf_certificate(run: ClusterRun, leaf: Leaf) -> x509.Certificate | None:
    """What is there now, None where nothing is; PhaseError where it cannot be read."""
    return _loaded(leaf_file(run.node, place_of(run), leaf))


def place_of(run: ClusterRun) -> Place:
    external = run.configuration.cluster.etcd.external
    return Place(run.configuration.cluster.certificates_dir, run.kubeconfig_dir, external.endpoints if external else ())


def read_certificate(run: ClusterRun, path: str) -> x509.Certificate | None:
    """The first certificate of a file, None where there is no file; PhaseError where it holds none."""
    return _loaded(certificate_file(run.node, path))


def _loaded(file: CertificateFile | None) -> x509.Certificate | None:
    if file is None:
        return None
    try:
        return load_certificates(file.pem)[0]
    except ValueError as error:
        raise file.unusable(error) from error
