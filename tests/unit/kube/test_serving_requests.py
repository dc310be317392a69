"""Which requests of kubelets for serving certificates are approved."""

import base64
from ipaddress import ip_address

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from pykubeadm.kube.serving_requests import approve, judge, pending_verdicts
from pykubeadm.pki.keys import generate_key
from tests.support.api import FakeApi
from tests.support.odd_requests import ODD, odd_request

KEY = generate_key("ECDSA-P256")
USAGES = ["digital signature", "server auth"]


def node(name: str, address: str) -> dict:
    addresses = [{"type": "InternalIP", "address": address}, {"type": "Hostname", "address": name}]
    return {"apiVersion": "v1", "kind": "Node", "metadata": {"name": name}, "status": {"addresses": addresses}}


NODES = [node("w1", "10.0.0.5"), node("w2", "10.0.0.6")]


def request(*names: str, user="system:node:w1", subject=None, groups=("system:nodes",), usages=USAGES, status=None) -> dict:
    common_name, organization = subject or (user, "system:nodes")
    attributes = [
        x509.NameAttribute(NameOID.ORGANIZATION_NAME, organization),
        x509.NameAttribute(NameOID.COMMON_NAME, common_name),
    ]
    builder = x509.CertificateSigningRequestBuilder(x509.Name(attributes))
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName([_general(name) for name in names]), critical=False)
    pem = builder.sign(KEY, hashes.SHA256()).public_bytes(Encoding.PEM)
    return {
        "apiVersion": "certificates.k8s.io/v1",
        "kind": "CertificateSigningRequest",
        "metadata": {"name": "csr-1"},
        "spec": {
            "signerName": "kubernetes.io/kubelet-serving",
            "username": user,
            "groups": list(groups),
            "usages": usages,
            "request": base64.b64encode(pem).decode(),
        },
        "status": status or {},
    }


def _general(name: str) -> x509.GeneralName:
    if "@" in name:
        return x509.RFC822Name(name)
    try:
        return x509.IPAddress(ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def test_the_nodes_own_name_and_address_are_approved():
    verdict = judge(request("w1", "10.0.0.5"), NODES)
    assert (verdict.node, verdict.objections) == ("w1", ())


@pytest.mark.parametrize(
    ("asked", "objection"),
    [
        (request("w1", "10.0.0.9"), "10.0.0.9 is not among the names and addresses of Node w1"),
        (request("w1", "kubernetes.default.svc"), "kubernetes.default.svc is not among"),
        (request("w2", "10.0.0.5"), "w2 belongs to Node w2, too"),
        (request(), "neither a DNS name nor an address"),
        (request("w1", "root@w1"), "names what is neither"),
        (request("w1", user="system:node:w9"), "there is no Node w9"),
        (request("w1", user="jane"), "jane is not a node"),
        (request("w1", groups=("system:masters",)), "is not a node"),
        (request("w1", subject=("system:node:w2", "system:nodes")), "its subject is"),
        (request("w1", subject=("system:node:w1", "system:masters")), "its subject is"),
        (request("w1", usages=["client auth", "server auth"]), "asks for the usages client auth, server auth"),
        (request("w1", usages=["digital signature"]), "asks for the usages digital signature"),
    ],
)
def test_anything_else_is_not(asked, objection):
    assert any(objection in found for found in judge(asked, NODES).objections)


def test_an_address_that_two_nodes_claim_is_not_approved():
    thief = node("w1", "10.0.0.6")
    assert any(
        "10.0.0.6 belongs to Node w2, too" in found for found in judge(request("w1", "10.0.0.6"), [thief, NODES[1]]).objections
    )


def test_a_request_that_is_damaged_is_not_approved():
    damaged = request("w1")
    damaged["spec"]["request"] = base64.b64encode(b"nonsense").decode()
    assert judge(damaged, NODES).objections == ("it holds no certificate request that can be read",)


@pytest.mark.parametrize("what", ODD)
def test_a_request_that_cannot_be_parsed_does_not_keep_others_from_approval(what):
    api, odd = FakeApi(), request("w2", "10.0.0.6", user="system:node:w2")
    odd["metadata"]["name"] = "odd"
    odd["spec"]["request"] = odd_request(what, "system:node:w2")
    for known in (odd, request("w1", "10.0.0.5"), *NODES):
        api.put(known)
    assert {verdict.name: verdict.objections for verdict in pending_verdicts(api)} == {
        "odd": ("it holds no certificate request that can be read",),
        "csr-1": (),
    }


def test_only_pending_requests_of_this_signer_are_looked_at():
    api = FakeApi()
    decided = [{"status": {"conditions": [{"type": kind}]}} for kind in ("Approved", "Denied", "Failed")]
    for number, changes in enumerate([{}, *decided, {"spec": {"signerName": "kubernetes.io/kube-apiserver-client-kubelet"}}]):
        found = request("w1", "10.0.0.5")
        found["metadata"]["name"] = f"csr-{number}"
        found["spec"] |= changes.get("spec", {})
        found["status"] = changes.get("status", {})
        api.put(found)
    for known in NODES:
        api.put(known)
    assert [(verdict.name, verdict.objections) for verdict in pending_verdicts(api)] == [("csr-0", ())]


def test_approving_names_the_sub_resource():
    sent = []

    class Recorder(FakeApi):
        def patch(self, api_version, kind, name, body, namespace="", *, how):
            sent.append((kind, name, body["status"]["conditions"][0]["type"], how))
            return {}

    approve(Recorder(), "csr-1")
    assert sent == [("CertificateSigningRequest", "csr-1/approval", "Approved", "merge")]
