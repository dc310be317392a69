"""The module `firewall_ports`."""

from __future__ import annotations

import json

import pytest
from ansible_collections.pykubeadm.kube.plugins.modules import firewall_ports

from tests.support.modules import Machine


def chain(listing="", **fields):
    found = {"family": "inet", "table": "filter", "name": "input", "hook": "input", "policy": "drop"} | fields
    return firewall_ports.Chain(found, listing)


def test_nftables_rules_replace_only_their_own_chain():
    script = firewall_ports.own_chains([chain()], ["6443/tcp", "8472/udp"], ["10.244.0.0/16", "fd01::/48"])
    assert [line for line in script.splitlines() if "flush" in line] == ["flush chain inet filter pykubeadm_input"]
    assert "delete" not in script
    for rule in (
        "tcp dport { 6443 } accept",
        "udp dport { 8472 } accept",
        "ip saddr 10.244.0.0/16 accept",
        "ip6 saddr fd01::/48 accept",
    ):
        assert rule in script
    assert firewall_ports.calls([chain()]) == "insert rule inet filter input jump pykubeadm_input\n"


def test_forwarded_packets_have_no_ports_but_two_sides():
    rules = chain(hook="forward", name="forward").rules(["6443/tcp"], ["10.244.0.0/16"])
    assert rules == ["ip saddr 10.244.0.0/16 accept", "ip daddr 10.244.0.0/16 accept"]
    assert chain(family="ip").rules([], ["fd01::/48"]) == []


@pytest.mark.parametrize(
    ("policy", "listing", "closed"),
    [
        ("drop", "", True), ("accept", "", False), ("accept", "\t\ttcp dport 23 drop\n", False),
        ("accept", "\t\tdrop\n\t}", True),
        ("accept", "\t\tcounter packets 1 bytes 60 reject with icmpx admin-prohibited\n", True),
    ],
)  # fmt: skip
def test_only_chains_that_drop_are_touched(policy, listing, closed):
    assert chain(listing, policy=policy).closed is closed


def test_tables_that_programs_keep_are_left_alone():
    ours, *others = [
        {"family": family, "table": table, "name": name, "type": "filter", "hook": "input", "policy": "drop"}
        for family, table, name in (
            ("inet", "mine", "input"), ("ip", "filter", "INPUT"), ("ip", "kube-proxy", "filter-input"),
            ("inet", "firewalld", "x"),
        )
    ]  # fmt: skip
    listed = json.dumps({"nftables": [{"metainfo": {}}, *({"chain": entry} for entry in (ours, *others))]})
    machine_here = Machine({"nft --json": listed})
    found = list(firewall_ports.closed_chains(firewall_ports.runner(machine_here)))
    assert [one.table for one in found] == ["mine"]


def test_ufw_gets_only_what_is_missing():
    here = Machine({"ufw show added": "ufw allow 10250/tcp\nufw allow from 10.244.0.0/16\n"})
    opened = firewall_ports.ufw(here, firewall_ports.runner(here), ["10250/tcp", "30000-32767/tcp"], ["10.244.0.0/16"])
    assert opened == ["30000-32767/tcp", "10.244.0.0/16"]
    assert here.commands[1:] == [
        "ufw allow 30000:32767/tcp", "ufw route allow from 10.244.0.0/16", "ufw route allow to 10.244.0.0/16",
    ]  # fmt: skip
