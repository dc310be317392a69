"""Whether this node is as the stage wants it, seen from outside: by connections, not by files."""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Final

from pykubeadm.commands.certs.rotation.material import KeyPair, read_material
from pykubeadm.commands.certs.rotation.pods import await_pods
from pykubeadm.commands.certs.rotation.run import RotationRun
from pykubeadm.commands.certs.rotation.stages import CA, ETCD
from pykubeadm.config.endpoint import local_url
from pykubeadm.errors import ApiError, NodeError, PhaseError
from pykubeadm.manifests.addresses import etcd_client_url, etcd_peer_url
from pykubeadm.node.port import HealthEndpoint
from pykubeadm.phases.ca import certificate_path
from pykubeadm.phases.cluster.connection import cluster_api
from pykubeadm.phases.waiting import probe, wait
from pykubeadm.pki.check import load_certificates
from pykubeadm.pki.issue import BACKDATE, Authority, Subject, encode_certificate, issue_leaf
from pykubeadm.pki.keys import encode_private_key, load_private_key
from pykubeadm.pki.renewal import renewed_subject
from pykubeadm.pki.sans import Names
from pykubeadm.pki.table import Usage

if TYPE_CHECKING:
    from pykubeadm.kube.waits import Probe

PHASE: Final = "verify"
# The API server reads its files again when they change, and every minute should it not have heard of that (kubernetes:
# apiserver/pkg/server/dynamiccertificates, FileRefreshDuration).
_READ_WITHIN: Final = timedelta(minutes=3)
_TRIAL: Final = timedelta(minutes=10)
_PROBER: Final = "pykubeadm:ca-rotation"


def verify_node(run: RotationRun) -> None:
    """PhaseError where that does not come."""
    targets: dict[str, Probe | HealthEndpoint] = {}
    if run.is_control_plane:
        targets |= {**_api_server(run), **_etcd(run)}
    if CA in run.under_way.names:
        targets["the kubelet's way to the API"] = partial(_own_node, run)
    if targets:
        wait(run, PHASE, targets, _READ_WITHIN)
    await_pods(run)


def _api_server(run: RotationRun) -> dict[str, Probe | HealthEndpoint]:
    """It shows a certificate of the CA that signs, lets clients of all in that are trusted, and of no other."""
    rotation = run.under_way
    if CA not in rotation.names:
        return {}
    both = read_material(run)[CA]
    signer, other = (both.new, both.old) if rotation.stage.signs_new else (both.old, both.new)
    targets: dict[str, Probe | HealthEndpoint] = {
        "the API server with the CA that signs": _as_client_of(run, signer, signer.certificate)
    }
    trial = _as_client_of(run, other, signer.certificate)
    if rotation.stage.trusts_both:
        targets["the API server with the other CA's clients"] = trial
    else:
        targets["the API server without the other CA's clients"] = partial(_refused, run, trial)
    return targets


def _as_client_of(run: RotationRun, pair: KeyPair, trusted: bytes) -> HealthEndpoint:
    certificate, key = trial_client(run, pair)
    return HealthEndpoint(f"{local_url(run.configuration.this_node.local_api_endpoint)}/livez", trusted, certificate, key)


def trial_client(run: RotationRun, pair: KeyPair, like: bytes = b"") -> tuple[bytes, bytes]:
    """Certificate and key of a client of the CA `pair`, good for ten minutes and kept nowhere. It is for whom the certificate
    `like` (PEM) is, where that is given."""
    authority = load_certificates(pair.certificate)[0]
    try:
        signer = load_private_key(pair.key)
    except ValueError as error:
        raise PhaseError(f"the key of a CA that is rotated {error}") from error
    now, until = run.now(), run.now() + _TRIAL
    subject = Subject(common_name=_PROBER, not_before=now - BACKDATE, not_after=until, usages=(Usage.CLIENT_AUTH,))
    if like:
        subject = renewed_subject(load_certificates(like)[0], Names(), now=now, not_after=until)
    key = run.keys.take()
    return encode_certificate(issue_leaf(subject, key.public_key(), Authority(authority, signer))), encode_private_key(key)


def _refused(run: RotationRun, endpoint: HealthEndpoint) -> str | None:
    reason = run.node.unhealthy([endpoint])[0]
    if "401" in reason:
        return None
    return reason or "it still accepts them"


def _etcd(run: RotationRun) -> dict[str, Probe | HealthEndpoint]:
    """As its clients and its peers see it, who trust the CA that signs alone; while both are trusted, it lets those of either
    in, as its other members have what the other CA signed."""
    rotation = run.under_way
    if ETCD not in rotation.names:
        return {}
    address = run.configuration.this_node.local_api_endpoint.advertise_address
    clients, peers = f"{etcd_client_url(address)}/health", f"{etcd_peer_url(address)}/version"
    shown = {
        "etcd's clients": (clients, _pair(run, "etcd/healthcheck-client")),
        "etcd's peers": (peers, _pair(run, "etcd/peer")),
    }
    if rotation.stage.trusts_both:
        both = read_material(run)[ETCD]
        other = trial_client(run, both.old if rotation.stage.signs_new else both.new)
        shown |= {"etcd's clients of the other CA": (clients, other), "etcd's peers of the other CA": (peers, other)}
    ca = rotation.signer(ETCD)
    return {target: probe(run.node, HealthEndpoint(url, ca, *pair)) for target, (url, pair) in shown.items()}


def _pair(run: RotationRun, base: str) -> tuple[bytes, bytes]:
    """Certificate and key."""
    return _content(run, f"{base}.crt"), _content(run, f"{base}.key")


def _content(run: RotationRun, name: str) -> bytes:
    path = certificate_path(run, name)
    content = run.node.read(path)
    if content is None:
        raise PhaseError(f"{path} does not exist; `pykubeadm certs check-expiration` shows what is missing")
    return content


def _own_node(run: RotationRun) -> str | None:
    """It is ready, and its kubelet, where it was started again, has said so since."""
    from pykubeadm.kube.pod_state import is_ready

    api = cluster_api(run)
    try:
        node = api.get("v1", "Node", run.node_name)
        lease = api.get("coordination.k8s.io/v1", "Lease", run.node_name, "kube-node-lease") or {}
    except (ApiError, NodeError) as error:
        return str(error)
    if node is None:
        return f"there is no Node {run.node_name}"
    heard = str((lease.get("spec") or {}).get("renewTime") or "")
    if run.kubelet_started and (not heard or datetime.fromisoformat(heard) < run.kubelet_started):
        return "the kubelet has not reported since it was restarted"
    return None if is_ready(node) else f"Node {run.node_name} is not Ready"
