from __future__ import annotations

import json

import pytest

from pykubeadm.errors import NodeError
from pykubeadm.node.facts import host_facts, kubelet_version
from pykubeadm.node.port import Directory, UnitState
from tests.support.node import FakeNode, completed

# eth0 192.0.2.2/24 with the default route, eth1 198.51.100.7/24 with a worse one
ROUTES = """\
Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT
eth1\t00000000\t016433C6\t0003\t0\t0\t200\t00000000\t0\t0\t0
eth0\t00000000\t010200C0\t0003\t0\t0\t100\t00000000\t0\t0\t0
eth0\t000200C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0
eth1\t006433C6\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0
"""
NOWHERE = "0" * 32
V6_ROUTES = f"""\
20010db8000000000000000000000000 40 {NOWHERE} 00 {NOWHERE} 00000100 1 0 00000001 eth0
{NOWHERE} 00 {NOWHERE} 00 fe800000000000000000000000000001 00000400 1 0 00000003 eth0
{NOWHERE} 00 {NOWHERE} 00 {NOWHERE} ffffffff 1 0 00200200 lo
"""
FIB_TRIE = """\
Main:
  +-- 0.0.0.0/0 3 0 5
     |-- 127.0.0.1
        /32 host LOCAL
     |-- 192.0.2.0
        /24 link UNICAST
     |-- 192.0.2.2
        /32 host LOCAL
     |-- 192.0.2.255
        /32 link BROADCAST
     |-- 198.51.100.7
        /32 host LOCAL
Local:
     |-- 192.0.2.2
        /32 host LOCAL
"""
IF_INET6 = """\
00000000000000000000000000000001 01 80 10 80       lo
fe8000000000000000fc00fffe000001 02 40 20 80     eth0
20010db8000000000000000000000002 02 40 00 80     eth0
"""
IP_ADDR = [
    {"ifname": "lo", "addr_info": [{"local": "127.0.0.1"}, {"local": "::1"}]},
    {"ifname": "eth0", "addr_info": [{"local": "192.0.2.2"}, {"local": "fe80::fc:ff:fe00:1"}, {"local": "2001:db8::2"}]},
    {"ifname": "eth1", "addr_info": [{"local": "198.51.100.7"}]},
    {"ifname": "down"},
]


@pytest.fixture
def node():
    fake = FakeNode()
    fake.put("/proc/sys/kernel/hostname", "cp1\n")
    fake.put("/proc/net/route", ROUTES)
    fake.put("/proc/net/ipv6_route", V6_ROUTES)
    fake.put("/proc/net/fib_trie", FIB_TRIE)
    fake.put("/proc/net/if_inet6", IF_INET6)
    fake.put("/sys/fs/cgroup/cgroup.controllers", "cpu memory\n")
    return fake


@pytest.mark.parametrize("answer", [completed(json.dumps(IP_ADDR)), completed("1: lo: <LOOPBACK>\n"), completed(status=127)])
def test_addresses_are_found_with_and_without_ip(node, answer):
    node.commands["ip -j addr"] = answer
    facts = host_facts(node)
    assert facts.hostname == "cp1"
    assert facts.default_ipv4 == "192.0.2.2"
    assert facts.default_ipv6 == "2001:db8::2"
    assert facts.addresses == {"127.0.0.1", "::1", "192.0.2.2", "fe80::fc:ff:fe00:1", "2001:db8::2", "198.51.100.7"}


@pytest.mark.parametrize("has_ip", [True, False])
def test_an_address_on_the_loopback_interface_counts_where_the_others_are_link_local(node, has_ip):
    """As with BGP over unnumbered interfaces (RFC 5549)."""
    links = [
        {"ifname": "lo", "addr_info": [{"local": text} for text in ("127.0.0.1", "10.1.1.1", "::1", "2001:db8::7")]},
        {"ifname": "eth0", "addr_info": [{"local": "fe80::fc:ff:fe00:1"}]},
    ]
    node.commands["ip -j addr"] = completed(json.dumps(links)) if has_ip else completed(status=127)
    node.put("/proc/net/route", "\n".join(line for line in ROUTES.splitlines()[:3] if not line.startswith("eth1")))
    node.put("/proc/net/fib_trie", FIB_TRIE.replace("192.0.2.2\n", "10.1.1.1\n").replace("198.51.100.7", "127.0.0.2"))
    node.put("/proc/net/if_inet6", IF_INET6.replace("02 02 40 00 80     eth0", "07 01 80 00 80       lo"))
    facts = host_facts(node)
    assert (facts.default_ipv4, facts.loopback) == ("10.1.1.1", "10.1.1.1")
    assert facts.default_ipv6 == "2001:db8::7"


def test_a_loopback_interface_as_usual_has_no_address_for_others(node):
    node.commands["ip -j addr"] = completed(json.dumps(IP_ADDR))
    assert host_facts(node).loopback is None


def test_without_a_default_route_there_is_no_default_address(node):
    node.put("/proc/net/route", ROUTES.splitlines()[0] + "\n" + "\n".join(ROUTES.splitlines()[3:]) + "\n")
    node.put("/proc/net/ipv6_route", V6_ROUTES.splitlines()[2] + "\n")
    facts = host_facts(node)
    assert (facts.default_ipv4, facts.default_ipv6) == (None, None)


def test_a_machine_without_ipv6(node):
    node.remove(["/proc/net/ipv6_route", "/proc/net/if_inet6"])
    assert host_facts(node).default_ipv6 is None


def test_runtime_sockets_are_sockets(node):
    assert host_facts(node).cri_sockets == ()
    node.put("/var/run/crio/crio.sock")
    node.sockets |= {"/var/run/containerd/containerd.sock"}
    assert host_facts(node).cri_sockets == ("unix:///var/run/containerd/containerd.sock",)


def test_a_socket_that_this_user_may_not_look_at_is_none(node, monkeypatch):
    def stat(path):
        raise NodeError(f"cannot look at {path}: permission denied; run this as root")

    monkeypatch.setattr(node, "stat", lambda path: stat(path) if path.endswith(".sock") else None)
    assert host_facts(node).cri_sockets == ()


def test_systemd_resolved_counts_while_it_runs(node):
    assert not host_facts(node).resolved_active
    node.put("/run/systemd/resolve/resolv.conf")
    assert not host_facts(node).resolved_active
    node.units["systemd-resolved"] = UnitState("loaded", "active", "running", "enabled")
    assert host_facts(node).resolved_active


def test_directories_cgroups_and_proxies(node, monkeypatch):
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy:3128")
    monkeypatch.setenv("no_proxy", "10.0.0.0/8")
    monkeypatch.setenv("ftp_proxy", "")
    node.write([Directory("/usr/share/ca-certificates")])
    facts = host_facts(node)
    assert facts.ca_directories == ("/usr/share/ca-certificates",)
    assert facts.proxy_env["HTTPS_PROXY"] == "http://proxy:3128"
    assert facts.proxy_env["no_proxy"] == "10.0.0.0/8"
    assert "ftp_proxy" not in facts.proxy_env
    assert facts.cgroup_version == 2
    node.remove(["/sys/fs/cgroup/cgroup.controllers"])
    assert host_facts(node).cgroup_version == 1


@pytest.mark.parametrize(
    ("answer", "version"),
    [
        (completed("Kubernetes v1.36.2\n"), "v1.36.2"),
        (completed("Kubernetes v1.37.0-rc.1+abc\n"), "v1.37.0-rc.1+abc"),
        (completed("Flag --x is deprecated\n"), None),
        (completed("Kubernetes v1.36.2\n", status=1), None),
        (completed(status=127), None),
    ],
)
def test_the_kubelets_version(node, answer, version):
    node.commands["kubelet --version"] = answer
    assert kubelet_version(node) == version
