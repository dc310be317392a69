from __future__ import annotations

import pytest

from pykubeadm.config.model import APIServer, Etcd, LocalEtcd, Networking
from pykubeadm.pki.sans import apiserver_names, covers, etcd_peer_names, etcd_server_names, names_of
from tests.support.init_runs import configuration


def texts(addresses: object) -> list[str]:
    return [str(address) for address in addresses]  # type: ignore[attr-defined]  # any iterable of addresses


def test_the_api_server_is_named_after_node_service_and_address() -> None:
    names = apiserver_names(configuration())
    assert names.dns == (
        "cp1",
        "kubernetes",
        "kubernetes.default",
        "kubernetes.default.svc",
        "kubernetes.default.svc.cluster.local",
    )
    assert texts(names.ips) == ["10.96.0.1", "10.0.0.9"]


def test_endpoint_and_extra_names_are_added_once_and_sorted() -> None:
    sans = ("b.example.com", "*.example.com", "a.example.com", "010.0.0.7", "::ffff:1.2.3.4", "FD00:0::1", "fd00::1", "10.0.0.9")
    names = apiserver_names(
        configuration(control_plane_endpoint="api.example.com:8443", api_server=APIServer(cert_sans=(*sans, "kubernetes")))
    )
    assert names.dns[:4] == ("*.example.com", "a.example.com", "api.example.com", "b.example.com")
    assert names.dns.count("kubernetes") == 1
    assert texts(names.ips) == ["10.96.0.1", "10.0.0.9", "10.0.0.7", "1.2.3.4", "fd00::1"]


@pytest.mark.parametrize("endpoint", ["[fd00:0:0::aa]:8443", "fd00::aa", "[fd00::aa]"])
def test_an_ipv6_endpoint_is_an_address(endpoint: str) -> None:
    assert "fd00::aa" in texts(apiserver_names(configuration(control_plane_endpoint=endpoint)).ips)


def test_dual_stack_has_the_first_subnets_service_address_only() -> None:
    networking = Networking(service_subnet="fd01::/112,10.96.0.0/16", pod_subnet="fd02::/64,10.244.0.0/16")
    assert texts(apiserver_names(configuration(address="fd00::9", networking=networking)).ips) == ["fd01::1", "fd00::9"]


def test_a_node_named_like_an_address_stays_a_dns_name() -> None:
    names = apiserver_names(configuration(node="10.1.2.3"))
    assert "10.1.2.3" in names.dns
    assert "10.1.2.3" not in texts(names.ips)


def test_etcd_server_and_peer_have_their_own_extra_names() -> None:
    config = configuration(etcd=Etcd(local=LocalEtcd(server_cert_sans=("etcd.test",), peer_cert_sans=("10.5.5.5",))))
    server, peer = etcd_server_names(config), etcd_peer_names(config)
    assert server.dns == ("cp1", "etcd.test", "localhost")
    assert texts(server.ips) == ["10.0.0.9", "127.0.0.1", "::1"]
    assert peer.dns == ("cp1", "localhost")
    assert texts(peer.ips) == ["10.0.0.9", "127.0.0.1", "::1", "10.5.5.5"]


@pytest.mark.parametrize(
    "text", ["", "Upper.example.com", "under_score", "a..b", "*.*.example.com", "1.2.3.4.", "fe80::1%eth0", "x/24"]
)
def test_what_is_neither_name_nor_address_is_ignored(text: str) -> None:
    assert names_of([text]).ignored == (text,)


@pytest.mark.parametrize(
    ("have", "wanted", "good"),
    [
        ("a.example.com", "a.example.com", True),
        ("A.Example.com", "a.example.com", True),
        ("*.example.com", "a.example.com", True),
        ("*.example.com", "b.a.example.com", False),
        ("*.example.com", "example.com", False),
        ("*.example.com", "*.example.com", True),
        ("*.com", "*.example.com", False),
        ("a.example.com", "*.example.com", False),
        ("*", "localhost", False),
    ],
)
def test_covers(have: str, wanted: str, good: bool) -> None:
    assert covers([have], wanted) is good
