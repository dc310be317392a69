"""kubelet-start of join: what a kubelet finds on the node when it starts."""

from __future__ import annotations

import base64
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
import yaml
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from pykubeadm.commands.join.checks import join_checks
from pykubeadm.commands.join.kubelet_start import kubelet_start
from pykubeadm.commands.join.member import JoinOwner, as_member
from pykubeadm.commands.join.run import JoinRun
from pykubeadm.config.model import Arg
from pykubeadm.errors import PhaseError
from pykubeadm.node.journal import Journal
from pykubeadm.node.journaled import JournaledNode
from pykubeadm.node.port import File, UnitState
from pykubeadm.phases.preflight.check import FINE
from pykubeadm.phases.preflight.machine import Machine
from pykubeadm.pki.issue import Authority, Subject, issue_ca, issue_leaf
from pykubeadm.pki.keys import encode_private_key
from pykubeadm.pki.table import Usage
from tests.support.join_runs import joining
from tests.support.node import FakeNode

BOOTSTRAP = "/etc/kubernetes/bootstrap-kubelet.conf"
CLIENT_CERTIFICATE = "/var/lib/kubelet/pki/kubelet-client-current.pem"
NOW = datetime.now(UTC)


def authority() -> Authority:
    key = ec.generate_private_key(ec.SECP256R1())
    return Authority(issue_ca(Subject("kubernetes", NOW - timedelta(days=9), NOW + timedelta(days=9)), key), key)


OURS, THEIRS = authority(), authority()


def certificate(ca: Authority, node_name: str, until: timedelta = timedelta(days=1)) -> bytes:
    """A kubelet's, with its key."""
    subject = Subject(
        f"system:node:{node_name}", NOW - timedelta(days=8), NOW + until, ("system:nodes",), usages=(Usage.CLIENT_AUTH,)
    )
    key = ec.generate_private_key(ec.SECP256R1())
    return issue_leaf(subject, key.public_key(), ca).public_bytes(Encoding.PEM) + encode_private_key(key)


def encoded(content: bytes) -> str:
    return base64.b64encode(content).decode()


def to_join(node: FakeNode, **user: str):
    """A run that knows the cluster of OURS; with a user's credentials they are the node's own."""
    run = joining(node)
    cluster = {**run.trust.cluster, "certificate-authority-data": encoded(OURS.certificate.public_bytes(Encoding.PEM))}
    run.trust = replace(run.trust, cluster=cluster, user=user or run.trust.user, own=bool(user))
    return run


def test_the_ca_is_where_the_clusters_kubelets_look_for_it():
    node = FakeNode()
    kubelet_start.apply(joining(node, client_ca="/etc/pki/kubernetes/ca.crt"))
    assert node.text("/etc/kubernetes/pki/ca.crt") == node.text("/etc/pki/kubernetes/ca.crt") == "CA"


def test_a_ca_that_is_there_is_left_alone():
    node = FakeNode()
    node.put("/etc/kubernetes/pki/ca.crt", "theirs")
    kubelet_start.apply(joining(node))
    assert node.text("/etc/kubernetes/pki/ca.crt") == "theirs"


def test_a_workers_kubelet_begins_at_the_endpoint_a_control_planes_at_its_own_api_server():
    worker, control_plane = FakeNode(), FakeNode()
    kubelet_start.apply(joining(worker))
    assert "server: https://[fd00::1]:6443" in worker.text(BOOTSTRAP)
    kubelet_start.apply(joining(control_plane, control_plane="fd00::9"))
    assert "server: https://[fd00::9]:6443" in control_plane.text(BOOTSTRAP)
    assert control_plane.files[BOOTSTRAP].mode == 0o600


@pytest.mark.parametrize(
    "found",
    [
        certificate(THEIRS, "n1"),
        certificate(OURS, "old-name"),
        certificate(OURS, "n1", -timedelta(days=1)),
        b"damaged",
        certificate(OURS, "n1")[:-100],
    ],
    ids=["another cluster's", "another node's", "expired", "damaged", "cut"],
)
def test_a_client_certificate_with_which_the_kubelet_would_not_be_let_in_is_removed_while_no_kubelet_runs(found):
    node = FakeNode()
    node.put(CLIENT_CERTIFICATE, found)
    run = to_join(node)
    node.units["kubelet"] = UnitState("loaded", "active", "running", "enabled")
    assert any(CLIENT_CERTIFICATE in change for change in kubelet_start.apply(run))
    assert not node.stat(CLIENT_CERTIFICATE)
    assert ("kubelet", "stopped") in node.unit_actions


def test_a_client_certificate_of_this_node_in_this_cluster_stays():
    node = FakeNode()
    node.put(CLIENT_CERTIFICATE, certificate(OURS, "n1"))
    assert not any(CLIENT_CERTIFICATE in change for change in kubelet_start.apply(to_join(node)))
    assert node.stat(CLIENT_CERTIFICATE)


def test_a_node_that_has_joined_keeps_its_name():
    """Its kubelet could not register another one."""
    node = FakeNode()
    run = to_join(node, **{"client-certificate-data": encoded(certificate(OURS, "known"))})
    before = dict(node.files)
    with pytest.raises(PhaseError, match="in the cluster as known already, not as n1: give it that name"):
        kubelet_start.apply(run)
    assert node.files == before
    [check] = [check for check in join_checks(run) if check.name == "NodeName"]
    assert "in the cluster as known already" in check.look(Machine(node, run.host, run.journal, "")).errors[0]


def test_a_node_that_has_joined_under_the_name_of_hostname_override_is_known_by_it():
    node = FakeNode()
    run = to_join(node, **{"client-certificate-data": encoded(certificate(OURS, "known"))})
    registration = replace(
        run.configuration.this_node.node_registration, kubelet_extra_args=(Arg(name="hostname-override", value="known"),)
    )
    run.configuration = replace(run.configuration, this_node=replace(run.configuration.this_node, node_registration=registration))
    kubelet_start.apply(run)
    assert run.kubelet_name == "known"


KUBELET_CONF = "/etc/kubernetes/kubelet.conf"


def member(node: FakeNode, run: JoinRun) -> JoinRun:
    """The run with what its node's own certificate says."""
    node.put(CLIENT_CERTIFICATE, certificate(OURS, "n1"))
    run.trust = as_member(run.trust, node, "n1", NOW) or run.trust
    return run


@pytest.mark.parametrize("found", [None, b"", b"\0\0", b"- a list", b"kind: Config\nclusters: 5\n"])
def test_a_kubeconfig_that_is_gone_or_damaged_is_written_again_with_the_nodes_own_certificate(found):
    node = FakeNode()
    Journal(node).will_write([File(KUBELET_CONF, b"the kubelet's")])
    if found is not None:
        node.put(KUBELET_CONF, found)
    run = member(node, to_join(node))
    run.node = JournaledNode(node, run.journal)
    kubelet_start.apply(run)
    document = yaml.safe_load(node.text(KUBELET_CONF))
    assert document["clusters"][0]["cluster"]["server"] == "https://[fd00::1]:6443"
    assert document["users"][0]["user"] == {"client-certificate": CLIENT_CERTIFICATE, "client-key": CLIENT_CERTIFICATE}
    assert node.files[KUBELET_CONF].mode == 0o600
    assert BOOTSTRAP not in node.files


def test_a_damaged_kubeconfig_that_is_not_known_as_ours_is_left():
    node = FakeNode()
    node.put(KUBELET_CONF, "\0\0")
    run = member(node, to_join(node))
    run.node = JournaledNode(node, run.journal)
    with pytest.raises(PhaseError, match=r"/etc/kubernetes/kubelet\.conf on this node is not what .* move away"):
        kubelet_start.apply(run)
    assert node.text(KUBELET_CONF) == "\0\0"


@pytest.mark.parametrize(
    "found",
    [
        None,
        certificate(THEIRS, "n1"),
        certificate(OURS, "n2"),
        certificate(OURS, "n1", -timedelta(days=1)),
        b"damaged",
        certificate(OURS, "n1")[:-100],
    ],
    ids=["none", "another cluster's", "another node's", "expired", "damaged", "cut"],
)
def test_a_certificate_that_the_cluster_did_not_give_this_node_makes_it_no_member(found):
    node = FakeNode()
    if found is not None:
        node.put(CLIENT_CERTIFICATE, found)
    assert as_member(to_join(node).trust, node, "n1", NOW) is None


def test_on_a_member_nothing_is_taken_for_another_clusters():
    node = FakeNode()
    node.put(KUBELET_CONF, "the kubelet's")
    node.put("/var/lib/kubelet/kubeadm-flags.env", "kubeadm's")
    run = to_join(node)
    machine = Machine(node, run.host, JoinOwner(run), "")
    [check] = [check for check in join_checks(run) if check.name == "FileAvailable--etc-kubernetes-kubelet.conf"]
    assert "nor is this node a member of the cluster as n1" in check.look(machine).errors[0]
    run.is_member = True
    assert check.look(machine) == FINE
