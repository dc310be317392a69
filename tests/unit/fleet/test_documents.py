"""What `init` and `join` are given for a host is what they themselves read without a problem."""

from __future__ import annotations

from pykubeadm.config.fleet import Cluster
from pykubeadm.config.host import HostFacts
from pykubeadm.config.init_flags import InitFlags
from pykubeadm.config.join_flags import JoinFlags
from pykubeadm.config.model import Arg, ClusterConfiguration, Configuration, Taint, ThisNode
from pykubeadm.config.read_init import read_init
from pykubeadm.config.read_join import read_join
from pykubeadm.config.reading import Environment
from pykubeadm.fleet.documents import Admission, init_source, join_source
from tests.support.fleets import host

PIN = "sha256:" + "a" * 64
ADMISSION = Admission("abcdef.0123456789abcdef", "0" * 64, "api.example.com:6443", (PIN,))
ENVIRONMENT = Environment(host=HostFacts("machine", default_ipv4="10.0.0.9"), new_token=lambda: "none.needed")
CONFIGURATION = Configuration(
    ClusterConfiguration(kubernetes_version="v1.36.2", control_plane_endpoint="api.example.com:6443"),
    this_node=ThisNode(),
    kubelet={"apiVersion": "kubelet.config.k8s.io/v1beta1", "kind": "KubeletConfiguration", "maxPods": 50},
)


def init_of(described, cluster: Cluster | None = None):
    source = init_source(cluster or Cluster(), CONFIGURATION, described, "10.0.0.11", ADMISSION)
    return read_init(source, InitFlags(), ENVIRONMENT)


def join_of(described, cluster: Cluster | None = None):
    source = join_source(cluster or Cluster(), CONFIGURATION, described, "10.0.0.11", ADMISSION)
    return read_join(source, JoinFlags(), ENVIRONMENT)


def test_init_gets_the_node_and_the_cluster():
    init, configuration = init_of(host("c1", "control-plane"))
    assert init.node_registration.name == "c1"
    assert init.local_api_endpoint.advertise_address == "10.0.0.11"
    assert [token.token for token in init.bootstrap_tokens] == [ADMISSION.token]
    assert init.node_registration.taints == (Taint(key="node-role.kubernetes.io/control-plane", effect="NoSchedule"),)
    assert configuration.cluster.control_plane_endpoint == "api.example.com:6443"
    assert configuration.kubelet["maxPods"] == 50


def test_a_control_plane_that_is_a_worker_too_has_no_taint():
    init, _configuration = init_of(host("c1", "control-plane", "worker"))
    assert init.node_registration.taints == ()
    assert join_of(host("c1", "control-plane", "worker")).node_registration.taints == ()


def test_a_worker_joins_with_the_token_and_the_pin_alone():
    join = join_of(host("w1"))
    assert join.control_plane is None
    assert join.discovery.bootstrap_token.ca_cert_hashes == (PIN,)
    assert join.discovery.bootstrap_token.api_server_endpoint == "api.example.com:6443"
    assert join.node_registration.taints is None


def test_a_control_plane_joins_with_the_certificate_key():
    join = join_of(host("c2", "control-plane"))
    assert join.control_plane.certificate_key == ADMISSION.certificate_key
    assert join.control_plane.local_api_endpoint.advertise_address == "10.0.0.11"


def test_what_a_host_has_of_its_own_is_said():
    described = host(
        "w1",
        internal_address="10.1.0.1",
        kubelet_extra_args=(Arg(name="v", value="4"),),
        taints=(Taint(key="dedicated", effect="NoExecute"),),
        ignore_preflight_errors=("Swap",),
    )
    registration = join_of(described, Cluster(ignore_preflight_errors=("NumCPU",))).node_registration
    assert [(argument.name, argument.value) for argument in registration.kubelet_extra_args] == [
        ("node-ip", "10.1.0.1"),
        ("v", "4"),
    ]
    assert registration.taints == (Taint(key="dedicated", effect="NoExecute"),)
    assert set(registration.ignore_preflight_errors) == {"swap", "numcpu"}


def test_secrets_are_not_in_what_is_printed_of_an_admission():
    assert ADMISSION.token not in repr(ADMISSION)
    assert ADMISSION.certificate_key not in repr(ADMISSION)
