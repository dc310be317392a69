"""External CAs: where a CA's certificate is on the node and its key is not, everything it signs has to be there and good."""

from __future__ import annotations

from pykubeadm.errors import PhaseError
from pykubeadm.phases.ca import is_external
from pykubeadm.phases.certs.files import external_leaf_problems
from pykubeadm.phases.kubeconfig.files import external_kubeconfig_problems
from pykubeadm.phases.run import ClusterRun
from pykubeadm.pki.table import CertificateSpec, signed_by


def require_external_files(run: ClusterRun, ca: CertificateSpec) -> None:
    """PhaseError naming every file that is missing or wrong, where `ca` is external."""
    if not is_external(run, ca):
        return
    problems = [problem for leaf in signed_by(ca) if _wanted(run, leaf) for problem in external_leaf_problems(run, leaf)]
    if ca.name == "ca":
        problems += [problem for entry in run.kubeconfigs for problem in external_kubeconfig_problems(run, entry)]
    if ca.name in ("ca", "front-proxy-ca") and run.upload_certs:
        problems.append(f"--upload-certs needs {ca.base}.key, which an external CA does not give")
    if problems:
        raise PhaseError("\n".join(problems))


def _wanted(run: ClusterRun, leaf: CertificateSpec) -> bool:
    return leaf.signer != "etcd-ca" or run.configuration.cluster.etcd.external is None
