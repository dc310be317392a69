"""A kubeconfig for one more user: with a client certificate that the cluster's CA signs here, or with a token."""

from __future__ import annotations

import base64
import posixpath
from datetime import timedelta

from pykubeadm.config.endpoint import control_plane_url
from pykubeadm.constants import ADMIN_KUBECONFIG
from pykubeadm.errors import PhaseError
from pykubeadm.kubeconfig.document import for_cluster
from pykubeadm.phases.ca import certificate_path, load_authority, load_ca, require_within
from pykubeadm.phases.kubeconfig.held import held_client
from pykubeadm.phases.run import ClusterRun
from pykubeadm.pki.check import load_certificates
from pykubeadm.pki.issue import Subject, encode_certificate, issue_leaf, load_request
from pykubeadm.pki.keys import PublicKey, encode_private_key, generate_key
from pykubeadm.pki.table import BY_NAME, Usage
from pykubeadm.util.dataclass import dataclass
from pykubeadm.util.kube_object import KubeObject
from pykubeadm.util.yaml_output import to_yaml


@dataclass(frozen=True, slots=True)
class User:
    """Who it is for, and how that user is let in: with `token`, else with a certificate of `period` (None: the cluster's), whose
    key is made here unless there is a certificate signing request at `request_path`, which is `request` (PEM)."""

    name: str
    organizations: tuple[str, ...] = ()
    token: str = ""
    period: timedelta | None = None
    request_path: str = ""
    request: bytes = b""


def user_kubeconfig(run: ClusterRun, user: User, *, known: bool) -> bytes:
    """The file's content. `known`: the run's configuration is the cluster's; else server and name are taken from admin.conf,
    where there is one. PhaseError where nothing can be signed, or not for so long."""
    path = certificate_path(run, "ca.crt")
    content = run.node.read(path)
    if content is None:
        raise PhaseError(f"{path} does not exist; run this on a control plane, or name its folder with --cert-dir")
    load_ca(path, content)
    bundle = b"".join(encode_certificate(certificate) for certificate in load_certificates(content))
    server, cluster_name = _cluster(run, known=known)
    cluster = {"server": server, "certificate-authority-data": _base64(bundle)}
    entry: KubeObject = {"token": user.token} if user.token else _certified(run, user)
    return to_yaml(for_cluster(cluster_name, cluster, user.name, entry)).encode()


def _cluster(run: ClusterRun, *, known: bool) -> tuple[str, str]:
    """Where it is, and what it is called."""
    held = None if known else held_client(run.node, ADMIN_KUBECONFIG)
    if held is not None and held.kubeconfig.server:
        return held.kubeconfig.url, held.kubeconfig.cluster_name
    return control_plane_url(run.configuration), run.configuration.cluster.cluster_name


def _certified(run: ClusterRun, user: User) -> KubeObject:
    authority = load_authority(run, BY_NAME["ca"])
    cluster = run.configuration.cluster
    not_after = run.now() + (user.period or cluster.certificate_validity_period)
    ca_path = certificate_path(run, "ca.crt")
    require_within(authority.certificate, ca_path, user.name, now=run.now(), not_after=not_after, remedy="--validity-period")
    subject = Subject(
        common_name=user.name,
        organizations=user.organizations,
        usages=(Usage.CLIENT_AUTH,),
        not_before=authority.certificate.not_valid_before_utc,  # as all kubeconfigs of `init`
        not_after=not_after,
    )
    if user.request_path:
        certificate = issue_leaf(subject, _requested_key(user), authority)
        key_file = posixpath.basename(user.request_path).removesuffix(".csr") + ".key"
        return {"client-certificate-data": _base64(encode_certificate(certificate)), "client-key": key_file}
    key = generate_key(cluster.encryption_algorithm)
    certificate = issue_leaf(subject, key.public_key(), authority)
    return {
        "client-certificate-data": _base64(encode_certificate(certificate)),
        "client-key-data": _base64(encode_private_key(key)),
    }


def _requested_key(user: User) -> PublicKey:
    """Only the key is taken from the request: who somebody is, is said by who signs."""
    try:
        key = load_request(user.request).public_key()
    except ValueError as error:
        raise PhaseError(f"{user.request_path} {error}") from error
    if not isinstance(key, PublicKey):
        raise PhaseError(f"{user.request_path} is for a key that is neither RSA nor ECDSA")
    return key


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")
