"""What hosts join with: the endpoint and the hashes of the CA, wherever the seed's certificates are."""

from __future__ import annotations

import pytest

from pykubeadm.errors import PhaseError
from pykubeadm.fleet.admission import new_admission, opened
from pykubeadm.fleet.file import Described
from pykubeadm.phases.certs.phase import certs
from pykubeadm.phases.kubeconfig.phase import kubeconfig
from pykubeadm.phases.static_pods.control_plane import control_plane
from pykubeadm.pki.check import load_certificates
from pykubeadm.tokens.pin import pin_of
from tests.support.fleets import fleet, host
from tests.support.init_runs import configuration, init_run, perform
from tests.support.node import FakeNode

SEED = host("c1", "control-plane")
ELSEWHERE = "/etc/kubernetes/ssl"


def seed(**more):
    node = FakeNode("c1")
    perform(init_run(node, configuration(certificates_dir=ELSEWHERE, **more))[0], certs, kubeconfig, control_plane)
    return node


def test_the_ca_is_where_the_api_server_has_it():
    node = seed()
    found = opened(Described(fleet(SEED)), SEED, node, "10.0.0.9", new_admission())
    [ca] = load_certificates(node.read(f"{ELSEWHERE}/ca.crt"))
    assert found.admission.ca_cert_hashes == (pin_of(ca),)
    node.remove([f"{ELSEWHERE}/ca.crt"])
    with pytest.raises(PhaseError, match=r"there is no /etc/kubernetes/ssl/ca\.crt on c1"):
        opened(Described(fleet(SEED)), SEED, node, "10.0.0.9", new_admission())
