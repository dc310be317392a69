"""Certificate signing requests of kubelets for their serving certificates (signer kubernetes.io/kubelet-serving).

With serverTLSBootstrap the kubelet asks the cluster's CA for the certificate that it shows to the API server and to
metrics-server. Kubernetes signs such requests but approves none, as it cannot know which names and addresses are the
node's (https://kubernetes.io/docs/reference/access-authn-authz/kubelet-tls-bootstrapping/#certificate-rotation).
"""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from pykubeadm.kube.port import Api
from pykubeadm.util.dataclass import dataclass
from pykubeadm.util.kube_object import KubeObject

if TYPE_CHECKING:
    from cryptography import x509

SIGNER = "kubernetes.io/kubelet-serving"
API_VERSION, KIND = "certificates.k8s.io/v1", "CertificateSigningRequest"

_USER_PREFIX = "system:node:"
_GROUP = "system:nodes"
_ALLOWED_USAGES = frozenset({"digital signature", "key encipherment", "server auth"})
_DNS_TYPES = ("Hostname", "InternalDNS", "ExternalDNS")
_IP_TYPES = ("InternalIP", "ExternalIP")


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is to be done with a request: approve it where there are no `objections`. It is never denied: an objection may
    pass (an address that the node has not reported yet), and people may know better."""

    name: str
    node: str
    objections: tuple[str, ...]


def pending_verdicts(api: Api) -> list[Verdict]:
    """A verdict for each request that nobody has decided on."""
    requests = [
        request
        for request in api.list(API_VERSION, KIND)
        if request["spec"].get("signerName") == SIGNER and not _decided(request)
    ]
    if not requests:
        return []
    nodes = api.list("v1", "Node")
    return [judge(request, nodes) for request in requests]


def approve(api: Api, name: str) -> None:
    """Approve the request with this name, as `kubectl certificate approve` does."""
    condition = {
        "type": "Approved",
        "status": "True",
        "reason": "PykubeadmApproved",
        "message": "names and addresses are those of the Node",
        "lastUpdateTime": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
    }
    api.patch(API_VERSION, KIND, f"{name}/approval", {"status": {"conditions": [condition]}}, how="merge")


def judge(request: KubeObject, nodes: Sequence[KubeObject]) -> Verdict:
    """Whether the request is the node's own and asks for nothing but its own names and addresses."""
    user = str(request["spec"].get("username", ""))
    node = user.removeprefix(_USER_PREFIX) if user.startswith(_USER_PREFIX) else ""
    return Verdict(request["metadata"]["name"], node, tuple(_objections(request, node, user, nodes)))


def _objections(request: KubeObject, node: str, user: str, nodes: Sequence[KubeObject]) -> Iterator[str]:
    from pykubeadm.pki.issue import read_request

    spec = request["spec"]
    if not node or _GROUP not in (spec.get("groups") or ()):
        yield f"{user or 'nobody'} is not a node"
        return
    usages = set(spec.get("usages") or ())
    if "server auth" not in usages or not usages <= _ALLOWED_USAGES:
        yield f"it asks for the usages {', '.join(sorted(usages)) or 'none'}, a server needs {', '.join(sorted(_ALLOWED_USAGES))}"
    try:
        asked = read_request(base64.b64decode(spec.get("request") or ""))
    except ValueError:
        yield "it holds no certificate request that can be read"
        return
    if not asked.is_signature_valid:
        yield "it is not signed with the key that it is for"
    yield from _subject_objections(asked, user)
    own = next((found for found in nodes if found["metadata"]["name"] == node), None)
    if own is None:
        yield f"there is no Node {node}"
        return
    yield from _name_objections(asked, node, own, [found for found in nodes if found is not own])


def _subject_objections(asked: x509.CertificateSigningRequest, user: str) -> Iterator[str]:
    from cryptography.x509.oid import NameOID

    subject = [(attribute.oid, attribute.value) for attribute in asked.subject]
    if sorted(subject, key=str) != sorted([(NameOID.COMMON_NAME, user), (NameOID.ORGANIZATION_NAME, _GROUP)], key=str):
        yield f"its subject is {asked.subject.rfc4514_string()}, not CN={user},O={_GROUP}"


def _name_objections(
    asked: x509.CertificateSigningRequest, node: str, own: KubeObject, others: Sequence[KubeObject]
) -> Iterator[str]:
    from cryptography import x509

    try:
        names = asked.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        names = x509.SubjectAlternativeName([])
    dns, ips = names.get_values_for_type(x509.DNSName), [str(ip) for ip in names.get_values_for_type(x509.IPAddress)]
    if not dns and not ips:
        yield "it names neither a DNS name nor an address"
    if len(dns) + len(ips) != len(names):
        yield "it names what is neither a DNS name nor an address"
    foreign = [name for name in dns if name not in {node, *_addresses(own, _DNS_TYPES)}]
    foreign += [ip for ip in ips if ip not in set(_addresses(own, _IP_TYPES))]
    if foreign:
        yield f"{', '.join(foreign)} is not among the names and addresses of Node {node}"
    # A kubelet reports its own addresses, so it could claim those of another machine.
    for other in others:
        shared = {*dns, *ips} & {other["metadata"]["name"], *_addresses(other, (*_DNS_TYPES, *_IP_TYPES))}
        if shared:
            yield f"{', '.join(sorted(shared))} belongs to Node {other['metadata']['name']}, too"


def _addresses(node: Mapping[str, Any], types: Sequence[str]) -> list[str]:
    reported = (node.get("status") or {}).get("addresses") or ()
    return [str(address["address"]) for address in reported if address.get("type") in types]


def _decided(request: KubeObject) -> bool:
    status = request.get("status") or {}
    return bool(status.get("certificate")) or any(
        condition.get("type") in ("Approved", "Denied", "Failed") for condition in status.get("conditions") or ()
    )
