"""kubelet-wait-bootstrap of join: what the user is reported while the kubelet has no certificate yet."""

from __future__ import annotations

import base64
from dataclasses import replace
from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from pykubeadm.commands.join import kubelet_wait_bootstrap as phase
from pykubeadm.commands.join import trust
from pykubeadm.commands.join.trust import Trust
from pykubeadm.config.model import Timeouts
from pykubeadm.constants import KUBELET_CONFIG
from pykubeadm.errors import PhaseError
from pykubeadm.node import health, systemd
from pykubeadm.node.port import UnitState
from pykubeadm.phases.cluster import wait_control_plane
from pykubeadm.phases.cluster.mark_control_plane import have_it_registered
from pykubeadm.workflow.events import Waiting
from tests.support.join_runs import joining
from tests.support.node import FakeNode
from tests.support.odd_requests import odd_request

RUNNING = UnitState("loaded", "active", "running", "enabled")
KUBELET_CONF = """apiVersion: v1
kind: Config
clusters: [{name: c, cluster: {server: "https://10.0.0.1:6443"}}]
users: [{name: u, user: {client-certificate: /pki/current.pem, client-key: /pki/current.pem}}]
contexts: [{name: x, context: {cluster: c, user: u}}]
current-context: x
"""


def request(status):
    """The kubelet's certificate signing request as the API server has it."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "system:node:n1")])
    made = (
        x509.CertificateSigningRequestBuilder().subject_name(name).sign(ec.generate_private_key(ec.SECP256R1()), hashes.SHA256())
    )
    pem = made.public_bytes(serialization.Encoding.PEM)
    spec = {"signerName": "kubernetes.io/kube-apiserver-client-kubelet", "request": base64.b64encode(pem).decode()}
    return {
        "apiVersion": "certificates.k8s.io/v1",
        "kind": "CertificateSigningRequest",
        "metadata": {"name": "csr-1"},
        "spec": spec,
        "status": status,
    }


def failure(monkeypatch, node, *requests):
    """The sentence with which the wait runs out."""
    monkeypatch.setattr(phase, "_ASK_EVERY", 0.0)
    node.put(KUBELET_CONFIG, "healthzPort: 0\n")
    run = joining(node)
    run.join = replace(run.join, timeouts=Timeouts(tls_bootstrap=timedelta()))
    for found in requests:
        run.bootstrap_api.put(found)
    with pytest.raises(PhaseError) as raised:
        phase.kubelet_wait_bootstrap.apply(run)
    return str(raised.value)


def test_the_wait_for_a_kubelet_is_of_the_phase_that_runs(monkeypatch):
    answers = iter([*["connection refused"] * 100, ""])
    monkeypatch.setattr(health, "look", lambda *_arguments: next(answers))
    monkeypatch.setattr(phase, "_registered_again", lambda _run: [])
    node, events = FakeNode(), []
    node.put(KUBELET_CONFIG, "healthzPort: 10248\n")
    run = joining(node)
    run.emit, run.trust = events.append, replace(run.trust, own=True)
    phase.kubelet_wait_bootstrap.apply(run)
    assert {event.phase for event in events if isinstance(event, Waiting)} == {"kubelet-wait-bootstrap"}


def test_a_kubelet_that_asks_for_nothing(monkeypatch):
    assert "it has not written /etc/kubernetes/kubelet.conf yet; it sent no certificate" in failure(monkeypatch, FakeNode())


@pytest.mark.parametrize(
    ("status", "sentence"),
    [
        ({}, "its request csr-1 waits for approval: `kubectl certificate approve csr-1`"),
        ({"conditions": [{"type": "Denied", "message": "not you"}]}, "its request csr-1 is Denied: not you"),
        ({"conditions": [{"type": "Approved"}]}, "is approved, but the controller manager has not signed it"),
    ],
)
def test_what_became_of_the_request_is_reported_even_where_a_kubelet_conf_leads_nowhere_yet(monkeypatch, status, sentence):
    node = FakeNode()
    node.put("/etc/kubernetes/kubelet.conf", KUBELET_CONF)
    odd = request({}) | {"metadata": {"name": "odd"}}  # of another node, and nothing that keeps from a report
    odd["spec"] |= {"request": odd_request("a group twice", "system:node:n2")}
    reported = failure(monkeypatch, node, request(status), odd)
    assert "refers to /pki/current.pem, which does not exist" in reported
    assert sentence in reported


def test_the_node_of_a_worker_that_was_deleted_is_registered_by_a_kubelet_that_starts(monkeypatch):
    node = FakeNode()
    node.put(KUBELET_CONFIG, "healthzPort: 0\n")
    run = joining(node)
    run.trust = replace(run.trust, own=True)
    monkeypatch.setattr(Trust, "node_name", "n1")
    node.units["kubelet"] = RUNNING
    assert phase.kubelet_wait_bootstrap.apply(run) == ["restarted the kubelet, so that it registers Node n1"]
    run.kubelet_started = None
    run.bootstrap_api.put({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n1"}})
    assert phase.kubelet_wait_bootstrap.apply(run) == []


def test_the_kubelet_of_a_control_plane_tries_at_once_when_its_api_server_is_there(monkeypatch):
    node, order = FakeNode(), []
    node.put(KUBELET_CONFIG, "healthzPort: 0\n")
    run = joining(node, control_plane="10.0.0.2")
    run.kubelet_started = run.now()
    monkeypatch.setattr(wait_control_plane, "wait_for_api_server", lambda *_: order.append("API server"))
    monkeypatch.setattr(node, "ensure_unit", lambda unit: order.append(f"{unit.name} {unit.state}") or ["restarted"])
    monkeypatch.setattr(trust, "own_credentials", lambda _node: order.append("certificate") or run.trust)
    changes = phase.kubelet_wait_bootstrap.apply(run)
    assert order == ["API server", "kubelet restarted", "certificate"]
    assert changes[0] == "restarted the kubelet, whose API server had not been there yet"
    order.clear()
    run.kubelet_started = None  # as in a later run, or one of this phase alone
    phase.kubelet_wait_bootstrap.apply(run)
    assert order == ["certificate"]


def after(monkeypatch, seconds, node, unit=RUNNING, **wanted):
    """A run with a kubelet that has its certificate after so many seconds, and what the phase changed."""
    clock = [100.0]
    node.put(KUBELET_CONFIG, "healthzPort: 0\n")
    run = joining(node, **wanted)
    node.units["kubelet"] = unit

    def certificate(_node):
        clock[0] += seconds
        node.unit_actions.append(("kubelet", "certificate"))
        return run.trust

    monkeypatch.setattr(phase.time, "monotonic", lambda: clock[0])
    monkeypatch.setattr(trust, "own_credentials", certificate)
    return run, phase.kubelet_wait_bootstrap.apply(run)


@pytest.mark.parametrize(("seconds", "restarts"), [(1.0, 0), (3.0, 1)])
def test_a_kubelet_whose_certificate_took_long_tries_for_its_node_at_once(monkeypatch, seconds, restarts):
    node = FakeNode()
    _run, changes = after(monkeypatch, seconds, node)
    assert node.unit_actions == [("kubelet", "certificate"), *[("kubelet", "restarted")] * restarts]
    assert ("restarted the kubelet, which had waited long for its certificate" in changes) == bool(restarts)


@pytest.mark.parametrize("unit", [systemd.NOT_FOUND, UnitState("loaded", "inactive", "dead", "disabled")])
def test_a_kubelet_that_runs_by_other_means_than_its_unit_is_left_alone(monkeypatch, unit):
    node = FakeNode()
    _run, changes = after(monkeypatch, 600.0, node, unit)
    assert node.unit_actions == [("kubelet", "certificate")]
    assert changes == ["the kubelet has its certificate for system:node:n1"]


def test_a_kubelet_that_started_again_is_not_started_once_more_to_register_its_node(monkeypatch):
    run, _changes = after(monkeypatch, 3.0, FakeNode(), control_plane="10.0.0.2")
    assert have_it_registered(run, run.bootstrap_api, "n1") == []
