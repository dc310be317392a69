"""The node's ports are open, seen from outside; others are closed, and nobody else's rule is gone."""

import socket

import pytest

RELOAD = {
    "firewall-nftables": "systemctl restart nftables.service",
    "firewall-firewalld": "firewall-cmd --reload",
    "firewall-ufw": "ufw reload",
}
RULES = {
    "firewall-nftables": "nft list ruleset",
    "firewall-firewalld": "firewall-cmd --list-ports && firewall-cmd --zone=trusted --list-sources",
    "firewall-ufw": "ufw status",
}


@pytest.fixture(scope="module")
def name(host):
    return host.check_output("hostname")


def answers(host, port):
    try:
        socket.create_connection((host.backend.host.name, port), timeout=3).close()
    except OSError:
        return False
    return True


def test_open_now_and_after_the_firewall_was_loaded_again(host, name):
    for _ in range(2):
        assert answers(host, 10250)
        assert not answers(host, 9999)
        host.check_output(RELOAD[name])
    assert answers(host, 10250)


def test_all_ports_of_the_part(host, name):
    rules = host.check_output(RULES[name])
    for port in ("10250", "10256", "8472"):
        assert port in rules, rules
    assert "30000-32767" in rules or "30000:32767" in rules, rules
    assert "10.244.0.0/16" in rules, rules


def test_forwarded_packets_of_pods_pass(host, name):
    if name == "firewall-nftables":
        ours = host.check_output("nft list chain inet administrator pykubeadm_forward")
        assert "ip saddr 10.244.0.0/16 accept" in ours
        assert "ip daddr 10.244.0.0/16 accept" in ours
        forward = host.check_output("nft list chain inet administrator forward")
        assert forward.index("jump pykubeadm_forward") < forward.index("drop")
    if name == "firewall-ufw":
        rules = host.check_output("ufw show added")
        assert "ufw route allow from 10.244.0.0/16" in rules
        assert "ufw route allow to 10.244.0.0/16" in rules


def test_each_rule_is_there_once(host, name):
    if name == "firewall-nftables":
        assert host.check_output("nft list chain inet administrator input").count("jump pykubeadm_input") == 1


def test_the_administrators_rules_stay(host, name):
    rules = host.check_output(RULES[name])
    assert ("tcp dport 22 accept" if name == "firewall-nftables" else "2222/tcp") in rules
