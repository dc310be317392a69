"""The certificates of this node's kubelet, and whom its kubeconfig trusts.

A control plane has the CA's key and signs them. A worker asks the cluster for them, by the kubelet's own credentials, as the
kubelet does every year: the client's certificate is approved by the cluster itself, the serving one by whoever approves those.
"""

from __future__ import annotations

import base64
import posixpath
import secrets
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Final

from pykubeadm.commands.certs.rotation.leaves import trust_in
from pykubeadm.commands.certs.rotation.run import RotationRun
from pykubeadm.commands.certs.rotation.stages import CA
from pykubeadm.commands.certs.rotation.waiting import wait_for_others
from pykubeadm.constants import KUBERNETES_DIR
from pykubeadm.errors import ApiError, PhaseError
from pykubeadm.kube.apply import retrying
from pykubeadm.kube.serving_requests import API_VERSION, KIND
from pykubeadm.kube.serving_requests import SIGNER as SERVING_SIGNER
from pykubeadm.phases.ca import load_authority
from pykubeadm.phases.certs.renew import as_there
from pykubeadm.phases.cluster.connection import cluster_api
from pykubeadm.phases.kubeconfig.held import held_client
from pykubeadm.phases.kubelet.files import rotated_pair
from pykubeadm.pki.check import is_signed_by, load_certificates
from pykubeadm.pki.issue import encode_certificate, issue_leaf, make_request
from pykubeadm.pki.keys import encode_private_key
from pykubeadm.pki.renewal import renewed_subject
from pykubeadm.pki.sans import Names
from pykubeadm.pki.table import BY_NAME
from pykubeadm.workflow.phase import Changes

if TYPE_CHECKING:
    from cryptography import x509

    from pykubeadm.pki.issue import Subject
    from pykubeadm.pki.keys import PrivateKey

KUBELET_CONF: Final = f"{KUBERNETES_DIR}/kubelet.conf"
CLIENT_SIGNER: Final = "kubernetes.io/kube-apiserver-client-kubelet"
# What each signer allows (kubernetes: pkg/apis/certificates/helpers.go).
_USAGES: Final = {CLIENT_SIGNER: "client auth", SERVING_SIGNER: "server auth"}
_SIGNED_WITHIN: Final = timedelta(minutes=5)


def renew_in_kubelet(run: RotationRun) -> Changes:
    """Have the stage's CA sign both where another did, and kubelet.conf trust whom the stage trusts. The kubelet reads them when
    it starts."""
    if CA not in run.under_way.names:
        return ()
    signer = load_certificates(run.under_way.signer(CA))[0]
    # The certificate is asked for before the file says whom to trust: either alone is good in every stage.
    changes = [*_client(run, signer), *_serving(run, signer), *trust_in(run, KUBELET_CONF)]
    if changes and not run.is_control_plane:
        run.api = None  # that is the kubeconfig which a worker's requests are made with
    return changes


def _client(run: RotationRun, signer: x509.Certificate) -> Changes:
    held = held_client(run.node, KUBELET_CONF)
    if held is None:
        return ()
    where = held.certificate_path or held.path
    certificate = _certificate(where, held.certificate)
    if is_signed_by(certificate, (), signer):
        return ()
    pem, key = _signed(run, certificate, signer, CLIENT_SIGNER)
    content = pem + key if held.certificate_path else held.renewed(pem, key)
    run.node.write([as_there(run, where, content, 0o600)])
    return [f"signed the kubelet's certificate in {where} again"]


def _serving(run: RotationRun, signer: x509.Certificate) -> Changes:
    """Not where the kubelet signs that itself, which no CA knows of."""
    path = posixpath.join(posixpath.dirname(rotated_pair(run)), "kubelet-server-current.pem")
    content = run.node.read(path)
    if content is None:
        return ()
    certificate = _certificate(path, content)
    if is_signed_by(certificate, (), signer):
        return ()
    pem, key = _signed(run, certificate, signer, SERVING_SIGNER)
    run.node.write([as_there(run, path, pem + key, 0o600)])
    return [f"signed the kubelet's serving certificate in {path} again"]


def _certificate(path: str, pem: bytes) -> x509.Certificate:
    try:
        return load_certificates(pem)[0]
    except ValueError as error:
        raise PhaseError(
            f"{path} {error}; `pykubeadm certs renew kubelet.conf` on a control plane, or join again, repairs it"
        ) from error


def _signed(run: RotationRun, former: x509.Certificate, signer: x509.Certificate, kind: str) -> tuple[bytes, bytes]:
    """Certificate and key, for the same names."""
    not_after = run.now() + run.configuration.cluster.certificate_validity_period
    subject = renewed_subject(former, Names(), now=run.now(), not_after=not_after)
    key = run.keys.take()
    if run.is_control_plane:
        pem = encode_certificate(issue_leaf(subject, key.public_key(), load_authority(run, BY_NAME[CA])))
    else:
        pem = _requested(run, subject, key, signer, kind)
    return pem, encode_private_key(key)


def _requested(run: RotationRun, subject: Subject, key: PrivateKey, signer: x509.Certificate, kind: str) -> bytes:
    """From the cluster, which says no more than that it was not signed yet."""
    api, name = cluster_api(run), f"pykubeadm-{run.node_name}-{secrets.token_hex(4)}"
    document = {
        "apiVersion": API_VERSION,
        "kind": KIND,
        "metadata": {"name": name},
        "spec": {
            "request": base64.b64encode(make_request(replace(subject, usages=()), key)).decode("ascii"),
            "signerName": kind,
            "usages": ["digital signature", _USAGES[kind]],
        },
    }
    retrying(lambda: api.create(document), api.call_timeout)
    found: list[bytes] = []
    wait_for_others(run, "kubelet", {f"the request {name}": partial(_answer, run, name, found)}, _SIGNED_WITHIN)
    if not is_signed_by(load_certificates(found[0])[0], (), signer):
        raise PhaseError(
            f"the controller manager signed {name} with another CA than this stage's; has every control plane reached this stage?"
            " Run this again"
        )
    return found[0]


def _answer(run: RotationRun, name: str, found: list[bytes]) -> str | None:
    try:
        request = cluster_api(run).get(API_VERSION, KIND, name)
    except ApiError as error:
        return str(error)
    status = (request or {}).get("status") or {}
    conditions = [condition.get("type") for condition in status.get("conditions") or ()]
    if status.get("certificate"):
        found[:] = [base64.b64decode(status["certificate"])]
        return None
    if "Denied" in conditions or "Failed" in conditions:
        return f"it was not signed: {conditions[-1]}"
    if "Approved" in conditions:
        return "the controller manager has not signed it yet"
    return f"it waits for approval: `kubectl certificate approve {name}`"
